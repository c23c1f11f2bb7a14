package main

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// A policy is what the gateway keeps state for: a caller's key, which has a window and a
// retry budget, and a family of endpoints, which has a breaker for each key. Calls that
// rotate over policies bring the key, also where there is one policy, so that what a key
// of one's own costs is in every step.
type policy struct {
	family family
	key    string
}

// keysPerFamily is how many keys ask each family.
const keysPerFamily = 8

// policies are the first n of 64: one family and key, then all families with that key,
// then all with all keys. So the step to 8 adds plans, breakers and the sets of labels of
// metrics, and the step to 64 adds windows, budgets and what registers have to find.
func policies(n int) []policy {
	var out []policy
	for key := range keysPerFamily {
		for _, f := range families() {
			out = append(out, policy{family: f, key: fmt.Sprintf("mvra_live_benchmark%016d", key)})
		}
	}
	return out[:n]
}

// A family is one of which a list is asked. Its list has nothing but what all these lists
// have in common, so that a call is the same work whatever the family: rows of an id, a
// kind, a name or title, and a time. Lists of personas, which the other loads ask for, are
// not among them, because their description has no like elsewhere.
type family struct {
	method string // the full method of its list
	path   string // below the base path
	key    string // that its rows have for what they are called
	answer func() proto.Message
}

func families() []family {
	return []family{
		{maverav1.ProjectsService_ListProjects_FullMethodName, "/projects", "name", func() proto.Message { return new(maverav1.ListProjectsResponse) }},
		{maverav1.WorkspacesService_ListWorkspaces_FullMethodName, "/workspaces", "name", func() proto.Message { return new(maverav1.ListWorkspacesResponse) }},
		{maverav1.FilesService_ListFiles_FullMethodName, "/files", "name", func() proto.Message { return new(maverav1.ListFilesResponse) }},
		{maverav1.FocusGroupsService_ListFocusGroups_FullMethodName, "/focus-groups", "name", func() proto.Message { return new(maverav1.ListFocusGroupsResponse) }},
		{maverav1.MeetingsService_ListMeetings_FullMethodName, "/meetings", "title", func() proto.Message { return new(maverav1.ListMeetingsResponse) }},
		{maverav1.GenerationsService_ListGenerations_FullMethodName, "/generations", "title", func() proto.Message { return new(maverav1.ListGenerationsResponse) }},
		{maverav1.MaveService_ListMaveThreads_FullMethodName, "/mave/threads", "title", func() proto.Message { return new(maverav1.ListMaveThreadsResponse) }},
		{maverav1.VideoAnalysesService_ListVideoAnalyses_FullMethodName, "/video-analyses", "title", func() proto.Message { return new(maverav1.ListVideoAnalysesResponse) }},
	}
}

// rowsPerFamily is how many rows a family's list has, whose size is the smallest of [sizes].
const rowsPerFamily = 8

// listSize is the size of a family's list.
func listSize() size {
	return size{name: sizes()[0].name, rows: rowsPerFamily, bytes: sizes()[0].bytes}
}

// body is the list of a family, of the same size and form for all.
func (f family) body() []byte {
	const row = `{"id":"clx%04dabc2d0001abcdef1234","object":"resource","%s":"%s","created_at":"2026-01-24T09:30:00Z"}`
	s := listSize()
	return []byte(s.list(func(i, share int) string {
		fill := share - len(fmt.Sprintf(row, i, f.key, ""))
		return fmt.Sprintf(row, i, f.key, strings.Repeat("n", fill))
	}))
}
