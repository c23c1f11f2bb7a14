package transcode

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// Services returns the services of mavera.v1, in the order in which the README's
// route table shows them.
func Services() []protoreflect.ServiceDescriptor {
	files := []protoreflect.FileDescriptor{
		maverav1.File_mavera_v1_responses_proto,
		maverav1.File_mavera_v1_chat_proto,
		maverav1.File_mavera_v1_mave_proto,
		maverav1.File_mavera_v1_news_proto,
		maverav1.File_mavera_v1_personas_proto,
		maverav1.File_mavera_v1_brand_voices_proto,
		maverav1.File_mavera_v1_focus_groups_proto,
		maverav1.File_mavera_v1_video_analyses_proto,
		maverav1.File_mavera_v1_files_proto,
		maverav1.File_mavera_v1_folders_proto,
		maverav1.File_mavera_v1_workspaces_proto,
		maverav1.File_mavera_v1_projects_proto,
		maverav1.File_mavera_v1_generations_proto,
		maverav1.File_mavera_v1_meetings_proto,
		maverav1.File_mavera_v1_usage_proto,
	}
	var services []protoreflect.ServiceDescriptor
	for _, file := range files {
		for i := range file.Services().Len() {
			services = append(services, file.Services().Get(i))
		}
	}
	return services
}
