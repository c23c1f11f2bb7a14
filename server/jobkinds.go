package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// jobPage is how many jobs are listed at a time; Mavera gives no more.
const jobPage = 100

// asker is [Server.ask].
type asker func(ctx context.Context, procedure string, in, out proto.Message) error

// jobReader returns what finds the jobs in the answers of an RPC; nil where there are
// none. An answer that cannot be read shows none.
func jobReader(procedure string) func(*transcode.Answer) []jobs.Job {
	switch procedure {
	case maverav1.FocusGroupsService_CreateFocusGroup_FullMethodName, maverav1.FocusGroupsService_GetFocusGroup_FullMethodName:
		return func(answer *transcode.Answer) []jobs.Job {
			var group maverav1.FocusGroup
			return read(answer, &group, func() []jobs.Job { return []jobs.Job{focusGroup(&group)} })
		}
	case maverav1.FocusGroupsService_ListFocusGroups_FullMethodName:
		return func(answer *transcode.Answer) []jobs.Job {
			var list maverav1.ListFocusGroupsResponse
			return read(answer, &list, func() []jobs.Job { return rows(list.GetData(), focusGroup) })
		}
	case maverav1.VideoAnalysesService_CreateVideoAnalysis_FullMethodName, maverav1.VideoAnalysesService_GetVideoAnalysis_FullMethodName:
		return func(answer *transcode.Answer) []jobs.Job {
			var analysis maverav1.VideoAnalysis
			return read(answer, &analysis, func() []jobs.Job { return []jobs.Job{videoAnalysis(&analysis)} })
		}
	case maverav1.VideoAnalysesService_ListVideoAnalyses_FullMethodName:
		return func(answer *transcode.Answer) []jobs.Job {
			var list maverav1.ListVideoAnalysesResponse
			return read(answer, &list, func() []jobs.Job { return rows(list.GetData(), videoAnalysis) })
		}
	case maverav1.BrandVoicesService_GetBrandVoice_FullMethodName:
		return func(answer *transcode.Answer) []jobs.Job {
			var voice maverav1.BrandVoice
			return read(answer, &voice, func() []jobs.Job { return []jobs.Job{brandVoice(&voice)} })
		}
	case maverav1.BrandVoicesService_ListBrandVoices_FullMethodName:
		return func(answer *transcode.Answer) []jobs.Job {
			var list maverav1.ListBrandVoicesResponse
			return read(answer, &list, func() []jobs.Job { return rows(list.GetData(), brandVoice) })
		}
	case maverav1.MeetingsService_GetMeeting_FullMethodName:
		return func(answer *transcode.Answer) []jobs.Job {
			var one maverav1.Meeting
			return read(answer, &one, func() []jobs.Job { return []jobs.Job{meeting(&one)} })
		}
	case maverav1.MeetingsService_ListMeetings_FullMethodName:
		return func(answer *transcode.Answer) []jobs.Job {
			var list maverav1.ListMeetingsResponse
			return read(answer, &list, func() []jobs.Job { return rows(list.GetData(), meeting) })
		}
	default:
		return nil
	}
}

func read(answer *transcode.Answer, into proto.Message, found func() []jobs.Job) []jobs.Job {
	if answer.Unmarshal(into) != nil {
		return nil
	}
	return found()
}

func rows[T any](data []T, job func(T) jobs.Job) []jobs.Job {
	out := make([]jobs.Job, len(data))
	for i, row := range data {
		out[i] = job(row)
	}
	return out
}

// focusGroup reads the state of a focus group, which is a word in any case.
func focusGroup(group *maverav1.FocusGroup) jobs.Job {
	job := jobs.Job{ID: group.GetId(), State: jobs.Running}
	if group.GetCreatedAt() != nil {
		job.Created = group.GetCreatedAt().AsTime()
	}
	switch status := group.GetStatus(); {
	case status == "":
		job.State = jobs.Unsaid
	case strings.EqualFold(status, "completed"), strings.EqualFold(status, "failed"):
		job.State = jobs.Final
	}
	return job
}

// videoAnalysis reads the state of a video analysis.
func videoAnalysis(analysis *maverav1.VideoAnalysis) jobs.Job {
	job := jobs.Job{ID: analysis.GetId(), State: jobs.Running}
	if analysis.GetCreatedAt() != nil {
		job.Created = analysis.GetCreatedAt().AsTime()
	}
	switch analysis.GetStatus() {
	case maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_COMPLETED, maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_FAILED:
		job.State = jobs.Final
	case maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_UNSPECIFIED:
		job.State = unknown(analysis.GetAdditionalFields())
	case maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_PENDING, maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_GENERATING:
	}
	return job
}

// brandVoice reads the state of a brand voice.
func brandVoice(voice *maverav1.BrandVoice) jobs.Job {
	job := jobs.Job{ID: voice.GetId(), State: jobs.Running}
	if voice.GetCreatedAt() != nil {
		job.Created = voice.GetCreatedAt().AsTime()
	}
	switch voice.GetStatus() {
	case maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_COMPLETED, maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_FAILED:
		job.State = jobs.Final
	case maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_UNSPECIFIED:
		job.State = unknown(voice.GetAdditionalFields())
	case maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_PENDING, maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_GENERATING:
	}
	return job
}

// unknown is the state of a job whose word the enum does not know. Then it is among the
// additional fields.
func unknown(additional *structpb.Struct) jobs.State {
	if _, word := additional.GetFields()["status"].GetKind().(*structpb.Value_StringValue); word {
		return jobs.Running
	}
	return jobs.Unsaid
}

// meeting reads the state of a meeting, which is a word in any case. A failure is not
// documented, yet where there is one nothing will follow it.
func meeting(meeting *maverav1.Meeting) jobs.Job {
	job := jobs.Job{ID: meeting.GetId(), State: jobs.Running}
	if meeting.GetCreatedAt() != nil {
		job.Created = meeting.GetCreatedAt().AsTime()
	}
	switch status := meeting.GetStatus(); {
	case status == "":
		job.State = jobs.Unsaid
	case strings.EqualFold(status, "done"), strings.EqualFold(status, "cancelled"), strings.EqualFold(status, "failed"):
		job.State = jobs.Final
	}
	return job
}

// focusGroups is where focus groups are asked for.
type focusGroups struct{ ask asker }

// List implements [jobs.Source].
func (s focusGroups) List(ctx context.Context, page string) ([]jobs.Job, string, error) {
	in := &maverav1.ListFocusGroupsRequest{PageSize: new(int32(jobPage))}
	if page != "" {
		in.PageToken = new(page)
	}
	var out maverav1.ListFocusGroupsResponse
	if err := s.ask(ctx, maverav1.FocusGroupsService_ListFocusGroups_FullMethodName, in, &out); err != nil {
		return nil, "", err
	}
	return rows(out.GetData(), focusGroup), out.GetNextPageToken(), nil
}

// Get implements [jobs.Source].
func (s focusGroups) Get(ctx context.Context, id string) (jobs.Job, error) {
	var out maverav1.FocusGroup
	err := s.ask(ctx, maverav1.FocusGroupsService_GetFocusGroup_FullMethodName, &maverav1.GetFocusGroupRequest{Id: id}, &out)
	if err != nil {
		return jobs.Job{}, orGone(err)
	}
	return focusGroup(&out), nil
}

// videoAnalyses is where video analyses are asked for.
type videoAnalyses struct{ ask asker }

// List implements [jobs.Source].
func (s videoAnalyses) List(ctx context.Context, page string) ([]jobs.Job, string, error) {
	in := &maverav1.ListVideoAnalysesRequest{PageSize: new(int32(jobPage))}
	if page != "" {
		in.PageToken = new(page)
	}
	var out maverav1.ListVideoAnalysesResponse
	if err := s.ask(ctx, maverav1.VideoAnalysesService_ListVideoAnalyses_FullMethodName, in, &out); err != nil {
		return nil, "", err
	}
	return rows(out.GetData(), videoAnalysis), out.GetNextPageToken(), nil
}

// Get implements [jobs.Source].
func (s videoAnalyses) Get(ctx context.Context, id string) (jobs.Job, error) {
	var out maverav1.VideoAnalysis
	err := s.ask(ctx, maverav1.VideoAnalysesService_GetVideoAnalysis_FullMethodName, &maverav1.GetVideoAnalysisRequest{Id: id}, &out)
	if err != nil {
		return jobs.Job{}, orGone(err)
	}
	return videoAnalysis(&out), nil
}

// orGone marks the failure that says that a job does not exist.
func orGone(err error) error {
	if failure := (*mavera.Failure)(nil); errors.As(err, &failure) && failure.HTTPStatus == http.StatusNotFound {
		return fmt.Errorf("%w: %w", jobs.ErrGone, err)
	}
	return err
}
