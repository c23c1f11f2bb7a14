package simulator

// operation is one operation of the contract.
type operation struct {
	id     string
	method string
	path   string // Template below BasePath.
	status int    // Of success.
	family string // As x-gateway names it.
	handle func(*call) (any, error)
}

// String returns method and template, for instance "GET /personas/{id}".
func (o *operation) String() string { return o.method + " " + o.path }

// operations is the table of all operations of openapi.yaml.
func operations() []operation {
	return []operation{
		{"createResponse", "POST", "/responses", 200, "responses", (*call).createResponse},
		{"createChatCompletion", "POST", "/chat/completions", 200, "chat", (*call).createChatCompletion},

		{"sendMaveMessage", "POST", "/mave/chat", 200, "mave", (*call).sendMaveMessage},
		{"listMaveThreads", "GET", "/mave/threads", 200, "mave", (*call).listMaveThreads},
		{"getMaveThread", "GET", "/mave/threads/{threadId}", 200, "mave", (*call).getMaveThread},
		{"updateMaveThread", "PATCH", "/mave/threads/{threadId}", 200, "mave", (*call).updateMaveThread},
		{"deleteMaveThread", "DELETE", "/mave/threads/{threadId}", 200, "mave", (*call).deleteMaveThread},

		{"listTrendingNewsStories", "GET", "/news/stories/trending", 200, "news", (*call).listTrendingNewsStories},
		{"listPersonalizedNewsStories", "GET", "/news/stories/personalized", 200, "news", (*call).listPersonalizedNewsStories},
		{"getNewsStory", "GET", "/news/stories/{id}", 200, "news", (*call).getNewsStory},
		{"analyzeNewsStory", "POST", "/news/stories/{id}/analyze", 200, "news", (*call).analyzeNewsStory},
		{"chatNewsStory", "POST", "/news/stories/{id}/chat", 200, "news", (*call).chatNewsStory},

		{"listPersonas", "GET", "/personas", 200, "personas", (*call).listPersonas},
		{"createPersona", "POST", "/personas", 201, "personas", (*call).createPersona},
		{"getPersona", "GET", "/personas/{id}", 200, "personas", (*call).getPersona},
		{"updatePersona", "PATCH", "/personas/{id}", 200, "personas", (*call).updatePersona},
		{"deletePersona", "DELETE", "/personas/{id}", 200, "personas", (*call).deletePersona},

		{"listBrandVoices", "GET", "/brand-voices", 200, "brand_voices", (*call).listBrandVoices},
		{"createBrandVoice", "POST", "/brand-voices", 201, "brand_voices", (*call).createBrandVoice},
		{"getBrandVoice", "GET", "/brand-voices/{id}", 200, "brand_voices", (*call).getBrandVoice},
		{"updateBrandVoice", "PATCH", "/brand-voices/{id}", 200, "brand_voices", (*call).updateBrandVoice},
		{"deleteBrandVoice", "DELETE", "/brand-voices/{id}", 200, "brand_voices", (*call).deleteBrandVoice},

		{"listFocusGroups", "GET", "/focus-groups", 200, "focus_groups", (*call).listFocusGroups},
		{"createFocusGroup", "POST", "/focus-groups", 201, "focus_groups", (*call).createFocusGroup},
		{"getFocusGroup", "GET", "/focus-groups/{id}", 200, "focus_groups", (*call).getFocusGroup},

		{"listVideoAnalyses", "GET", "/video-analyses", 200, "video_analyses", (*call).listVideoAnalyses},
		{"createVideoAnalysis", "POST", "/video-analyses", 201, "video_analyses", (*call).createVideoAnalysis},
		{"getVideoAnalysis", "GET", "/video-analyses/{id}", 200, "video_analyses", (*call).getVideoAnalysis},
		{"chatVideoAnalysis", "POST", "/video-analyses/{id}/chat", 200, "video_analyses", (*call).chatVideoAnalysis},

		{"createFileUploadUrl", "POST", "/files/upload-url", 200, "files", (*call).createFileUploadURL},
		{"listFiles", "GET", "/files", 200, "files", (*call).listFiles},
		{"createFile", "POST", "/files", 201, "files", (*call).createFile},
		{"getFile", "GET", "/files/{id}", 200, "files", (*call).getFile},
		{"deleteFile", "DELETE", "/files/{id}", 200, "files", (*call).deleteFile},
		{"toggleFileFavorite", "POST", "/files/{id}/favorite", 200, "files", (*call).toggleFileFavorite},

		{"listFolders", "GET", "/folders", 200, "folders", (*call).listFolders},
		{"createFolder", "POST", "/folders", 201, "folders", (*call).createFolder},
		{"getFolder", "GET", "/folders/{id}", 200, "folders", (*call).getFolder},
		{"updateFolder", "PATCH", "/folders/{id}", 200, "folders", (*call).updateFolder},
		{"deleteFolder", "DELETE", "/folders/{id}", 200, "folders", (*call).deleteFolder},
		{"toggleFolderFavorite", "POST", "/folders/{id}/favorite", 200, "folders", (*call).toggleFolderFavorite},

		{"listWorkspaces", "GET", "/workspaces", 200, "workspaces", (*call).listWorkspaces},
		{"createWorkspace", "POST", "/workspaces", 201, "workspaces", (*call).createWorkspace},
		{"getWorkspace", "GET", "/workspaces/{id}", 200, "workspaces", (*call).getWorkspace},
		{"listWorkspaceMembers", "GET", "/workspaces/{id}/members", 200, "workspaces", (*call).listWorkspaceMembers},
		{"inviteWorkspaceMember", "POST", "/workspaces/{id}/members", 201, "workspaces", (*call).inviteWorkspaceMember},
		{"updateWorkspaceMember", "PATCH", "/workspaces/{id}/members/{userId}", 200, "workspaces", (*call).updateWorkspaceMember},

		{"listProjects", "GET", "/projects", 200, "projects", (*call).listProjects},
		{"createProject", "POST", "/projects", 201, "projects", (*call).createProject},
		{"getProject", "GET", "/projects/{id}", 200, "projects", (*call).getProject},
		{"updateProject", "PATCH", "/projects/{id}", 200, "projects", (*call).updateProject},

		{"listGenerationApps", "GET", "/generation-apps", 200, "generations", (*call).listGenerationApps},
		{"listGenerations", "GET", "/generations", 200, "generations", (*call).listGenerations},
		{"createGeneration", "POST", "/generations", 200, "generations", (*call).createGeneration},
		{"getGeneration", "GET", "/generations/{id}", 200, "generations", (*call).getGeneration},
		{"updateGeneration", "PATCH", "/generations/{id}", 200, "generations", (*call).updateGeneration},
		{"deleteGeneration", "DELETE", "/generations/{id}", 200, "generations", (*call).deleteGeneration},

		{"listMeetings", "GET", "/meetings", 200, "meetings", (*call).listMeetings},
		{"createMeeting", "POST", "/meetings", 201, "meetings", (*call).createMeeting},
		{"getMeeting", "GET", "/meetings/{id}", 200, "meetings", (*call).getMeeting},
		{"cancelMeeting", "POST", "/meetings/{id}/cancel", 200, "meetings", (*call).cancelMeeting},
		{"getMeetingTranscript", "GET", "/meetings/{id}/transcript", 200, "meetings", (*call).getMeetingTranscript},
		{"getMeetingAnalysis", "GET", "/meetings/{id}/analysis", 200, "meetings", (*call).getMeetingAnalysis},
		{"runMeetingSchema", "POST", "/meetings/{id}/schemas/{schemaId}/run", 200, "meetings", (*call).runMeetingSchema},

		{"getUsage", "GET", "/usage", 200, "usage", (*call).getUsage},
	}
}
