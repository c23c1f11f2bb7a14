package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/internal/upload"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// serveUpload serves UploadFile (/features/files): it has Mavera sign an address, puts
// the bytes there as they come, and registers the file. The first and the last are
// exchanges like all others; the storage is not Mavera's API, takes no place in its
// window and says nothing of its health.
func (s *Server) serveUpload(c *call, stream grpc.ServerStream) error {
	ctx, watch := upload.NewWatch(stream.Context(), s.uploadIdle(c.plan))
	in := newInbox(ctx, stream)
	defer in.close()
	defer watch.Close()

	u := &uploading{server: s, call: c, watch: watch}
	answer, err := u.run(ctx, in)
	if err != nil {
		return u.failure(ctx, err)
	}
	if err := stream.SendMsg(answer); err != nil {
		return u.failure(ctx, fmt.Errorf("send the file: %w", err))
	}
	return nil
}

// uploadIdle is how long an upload may stand still.
func (s *Server) uploadIdle(plan *transcode.Plan) time.Duration {
	if s.options.UploadIdleTimeout > 0 {
		return s.options.UploadIdleTimeout
	}
	return plan.AttemptTimeout
}

// An uploading is one upload under way.
type uploading struct {
	server *Server
	call   *call
	watch  *upload.Watch

	metadata *maverav1.UploadFileMetadata
	checksum *string // as it goes to Mavera
}

// run goes from the first message to the answer of CreateFile.
func (u *uploading) run(ctx context.Context, in *inbox) (*transcode.Answer, error) {
	u.watch.Source()
	first, err := in.first()
	u.watch.Pause()
	if err != nil {
		return nil, err
	}
	file, err := u.announced(first)
	if err != nil {
		return nil, err
	}
	body := upload.NewBody(in, file, u.watch)
	defer func() { u.call.bytes = body.Count() }()
	if err := body.Prime(); err != nil {
		return nil, err //nolint:wrapcheck // failure knows it
	}
	address, err := u.put(ctx, body)
	if err != nil {
		return nil, err
	}
	return u.register(ctx, address)
}

// announced checks the first message, before anything is asked of Mavera.
func (u *uploading) announced(first *maverav1.UploadFileRequest) (upload.File, error) {
	violations, err := validation{u.server.validator}.constraints(first)
	if err != nil {
		return upload.File{}, mavera.NewFailure(mavera.Panicked, err)
	}
	u.metadata = first.GetMetadata()
	file := upload.File{Size: u.metadata.GetFileSize()}
	if limit := upload.Limit(u.metadata.GetFileType()); file.Size > limit {
		violations = append(violations, transcode.Violation{
			Field: "metadata.file_size", Description: fmt.Sprintf("must be at most %d for this file_type", limit),
		})
	}
	if u.metadata.Checksum != nil {
		sum, err := upload.ParseChecksum(u.metadata.GetChecksum())
		if err != nil {
			violations = append(violations, transcode.Violation{Field: "metadata.checksum", Description: err.Error()})
		}
		file.Checksum, u.checksum = &sum, new(sum.String())
	}
	if len(violations) > 0 {
		return upload.File{}, mavera.NewFailure(mavera.InvalidRequest, nil, violations...)
	}
	return file, nil
}

// put has an address signed and puts the body there, again as long as the policy lets
// it and no byte of the file was sent. It returns where the file is to be found.
func (u *uploading) put(ctx context.Context, body *upload.Body) (address string, err error) {
	policy := u.server.resilient.policies.Of(u.call.plan.Family)
	for tries := 1; ; tries++ {
		signed, err := u.sign(ctx)
		if err != nil {
			return "", err
		}
		err = u.server.options.Storage.Put(ctx, upload.Ticket{Address: signed.GetUploadUrl(), Header: signed.GetHeaders()}, body)
		if err == nil {
			return signed.GetPublicUrl(), nil
		}
		refusal := (*upload.PutError)(nil)
		if !errors.As(err, &refusal) {
			return "", err //nolint:wrapcheck // failure knows it
		}
		u.call.storageStatus = refusal.Status
		if refusal.Sent || !refusal.Temporary() || tries >= policy.Attempts {
			return "", err //nolint:wrapcheck // the same
		}
		if ok := u.pause(ctx, policy, refusal, tries); !ok {
			return "", err //nolint:wrapcheck // the same
		}
	}
}

// pause waits before the next attempt, not at all when the address was too old. It
// reports whether there is to be one.
func (u *uploading) pause(ctx context.Context, policy resilience.Policy, refusal *upload.PutError, tries int) bool {
	var pause time.Duration
	if !refusal.Stale() {
		after, _ := resilience.RetryAfter(refusal.Header, time.Now())
		if after > policy.MaxRetryAfter {
			return false
		}
		pause = policy.Backoff.DelayAfter(after, tries-1, rand.Float64()) //nolint:gosec // spreads callers, guards nothing
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Add(pause).Before(deadline) {
		return false
	}
	u.server.options.Logger.LogAttrs(ctx, slog.LevelInfo, "the file is put again, to a new address; none of it was sent",
		slog.String("request_id", u.call.requestID), slog.String("reason", refusal.Error()), slog.Int64("pause_ms", pause.Milliseconds()))
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// errSigned says that the answer that should name an address does not.
var errSigned = errors.New("the answer of CreateFileUploadUrl lacks upload_url or public_url, or asks for another method than PUT")

// sign has Mavera sign an address.
func (u *uploading) sign(ctx context.Context) (*maverav1.CreateFileUploadUrlResponse, error) {
	m := u.metadata
	answer, err := u.exchange(ctx, maverav1.FilesService_CreateFileUploadUrl_FullMethodName, &maverav1.CreateFileUploadUrlRequest{
		FileName: m.GetFileName(), FileType: m.GetFileType(), FileSize: m.GetFileSize(),
		WorkspaceId: m.GetWorkspaceId(), Checksum: u.checksum, FolderId: m.FolderId,
	})
	if err != nil {
		return nil, err
	}
	signed := new(maverav1.CreateFileUploadUrlResponse)
	if err := answer.Unmarshal(signed); err != nil {
		return nil, mavera.NewFailure(mavera.Panicked, err)
	}
	if signed.GetUploadUrl() == "" || signed.GetPublicUrl() == "" || signed.Method != nil && signed.GetMethod() != "PUT" {
		return nil, mavera.NewFailure(mavera.UploadAddress, errSigned)
	}
	return signed, nil
}

// register makes the file known, once it is stored.
func (u *uploading) register(ctx context.Context, address string) (*transcode.Answer, error) {
	m := u.metadata
	return u.exchange(ctx, maverav1.FilesService_CreateFile_FullMethodName, &maverav1.CreateFileRequest{
		Name: m.GetFileName(), Type: m.GetFileType(), Url: address,
		WorkspaceId: m.GetWorkspaceId(), FileSize: m.GetFileSize(), FolderId: m.FolderId,
	})
}

// exchange calls an RPC as part of the upload: with its key, name and class, under the
// policy of its family, and within the RPC's total where the caller has set no deadline.
func (u *uploading) exchange(ctx context.Context, procedure string, in proto.Message) (*transcode.Answer, error) {
	plan := u.server.plans[procedure]
	request, err := plan.Request(in)
	if err != nil {
		return nil, mavera.NewFailure(mavera.Panicked, fmt.Errorf("translate request of %s: %w", plan.RPC, err))
	}
	c := &call{
		plan: plan, rpc: plan.RPC, requestID: u.call.requestID, caller: u.call.caller, class: u.call.class,
		start: time.Now(), request: request, trail: u.call.trail,
	}
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, plan.TotalTimeout, mavera.ErrTotalTimeout)
		defer cancel()
	}
	out, err := u.server.resilient.do(ctx, c, in, func(ctx context.Context, _ any) (any, error) { return u.server.handler.serve(ctx, c) })
	u.call.attempts += c.attempts
	u.call.waited += c.waited
	u.call.httpStatus = c.httpStatus
	if err != nil {
		return nil, inMetadata(err)
	}
	return out.(*transcode.Answer), nil //nolint:forcetypeassert,errcheck // serve gives nothing else
}

// inMetadata has a failure name the fields of the upload's metadata, where those that
// it names were taken from.
func inMetadata(err error) error {
	failure := (*mavera.Failure)(nil)
	if !errors.As(err, &failure) {
		return err
	}
	for i, v := range failure.Violations {
		switch v.Field {
		case "name":
			v.Field = "file_name"
		case "type":
			v.Field = "file_type"
		}
		if (*maverav1.UploadFileMetadata)(nil).ProtoReflect().Descriptor().Fields().ByTextName(v.Field) != nil {
			failure.Violations[i].Field = "metadata." + v.Field
		}
	}
	return err
}

// failure is what the caller is told. Until the file is registered the upload has done
// nothing that a repeat would do twice.
func (u *uploading) failure(ctx context.Context, err error) error {
	var (
		failure  *mavera.Failure
		mismatch *upload.MismatchError
		address  *upload.TicketError
		refusal  *upload.PutError
	)
	cause := context.Cause(ctx)
	switch {
	case errors.As(err, &failure):
		return failure
	case errors.As(err, &mismatch):
		return mavera.NewFailure(mavera.UploadDiffers, nil, transcode.Violation{Field: "metadata." + mismatch.Field, Description: mismatch.Text})
	case errors.As(err, &address):
		return mavera.NewFailure(mavera.UploadAddress, err)
	case errors.Is(cause, upload.ErrSourceStalled):
		return mavera.NewFailure(mavera.UploadStalled, cause)
	case errors.Is(cause, upload.ErrStorageStalled):
		return mavera.NewFailure(mavera.StorageFailed, cause)
	case cause != nil:
		return u.call.exchange().Ended(cause, false)
	case errors.As(err, &refusal):
		failure = mavera.NewFailure(mavera.StorageFailed, err)
		failure.HTTPStatus = refusal.Status
		if after, ok := resilience.RetryAfter(refusal.Header, time.Now()); ok {
			failure.Delay = max(failure.Delay, after)
		}
		return failure
	default:
		return err
	}
}
