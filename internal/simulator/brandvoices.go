package simulator

// showVoice is a brand voice as it stands now: the generated fields are empty
// until the job is complete.
func (c *call) showVoice(r *record) object {
	at, _ := r.job.at(c.now)
	status := map[phase]string{pending: "pending", started: "generating", completed: "completed", failed: "failed"}[at]
	out := with(r.doc, object{
		"status": status, "error": nil, "created_at": iso(r.created),
		"updated_at": iso(latest(r.updated, r.job.touched(c.now, c.wall, r.created))),
	})
	if at != completed {
		for _, name := range []string{"voice_summary", "tone", "writing_style", "vocabulary"} {
			out[name] = nil
		}
		out["example_phrases"] = []any{}
	}
	if at == failed {
		out["error"] = r.job.reason("None of the sources could be read.")
	}
	return out
}

func (c *call) listBrandVoices() (any, error) {
	status, err := c.oneOf("status", "pending", "generating", "completed", "failed")
	if err != nil {
		return nil, err
	}
	workspace := c.query("workspace_id")
	return bare(c.s.state.voices.newest(func(r *record) bool {
		return only(r, workspace) && (status == "" || text(c.showVoice(r), "status") == status)
	}), c.showVoice), nil
}

// voiceFields are the rules that creation and update share.
func voiceFields(required bool) []field {
	return []field{
		{name: "label", required: required, min: 2},
		{name: "usage_context", required: required, min: 10},
		{name: "tone", kind: isObject},
		{name: "vocabulary", kind: isObject},
		{name: "writing_style", kind: isObject},
		{name: "example_phrases", kind: isList, of: []field{{name: "use_case"}, {name: "example"}}},
		{name: "voice_summary"},
	}
}

func (c *call) createBrandVoice() (any, error) {
	rules := append(voiceFields(true), field{name: "workspace_id"}, field{name: "urls", kind: isList},
		field{name: "documents", kind: isList, of: []field{
			{name: "name", required: true}, {name: "url", required: true}, {name: "file_type", required: true}, {name: "file_size", kind: isInteger, required: true},
		}})
	if err := c.check(rules...); err != nil {
		return nil, err
	}
	urls, documents, err := c.voiceSources()
	if err != nil {
		return nil, err
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	if err := c.charge(brandVoicePrice, workspace, ""); err != nil {
		return nil, err
	}
	done := example("get-brand-voice.completed")
	doc := object{
		"id": c.id("bv_"), "object": "brand_voice", "workspace_id": workspace, "sources": object{"urls": urls, "documents": documents},
		"voice_summary": "The voice of " + text(c.body, "label") + ": plain and warm.",
	}
	merge(doc, done, "tone", "writing_style", "vocabulary", "example_phrases")
	merge(doc, c.body, "label", "usage_context", "tone", "vocabulary", "example_phrases")
	r := c.s.state.voices.add(&record{
		id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc, job: c.startJob(BrandVoices, c.now),
	})
	return c.showVoice(r), nil
}

// voiceSources reads urls (text or object) and documents; one of them is needed.
func (c *call) voiceSources() (urls, documents []object, err error) {
	urls, documents = []object{}, []object{}
	list, _ := c.body["urls"].([]any)
	for _, e := range list {
		o, ok := e.(object)
		if !ok {
			o = object{"url": e}
		}
		if text(o, "url") == "" {
			return nil, nil, invalid("urls", "An entry of urls is neither a text nor an object with url.")
		}
		urls = append(urls, object{"id": c.id("src_url_"), "url": o["url"], "name": o["name"], "description": o["description"]})
	}
	for _, o := range objects(c.body, "documents") {
		documents = append(documents, with(o, object{"id": c.id("src_doc_"), "description": o["description"]}))
	}
	if len(urls)+len(documents) == 0 {
		return nil, nil, missing("urls")
	}
	return urls, documents, nil
}

func (c *call) getBrandVoice() (any, error) {
	r, err := c.s.state.voices.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	return c.showVoice(r), nil
}

func (c *call) updateBrandVoice() (any, error) {
	r, err := c.s.state.voices.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if err := c.check(voiceFields(false)...); err != nil {
		return nil, err
	}
	merge(r.doc, c.body, "label", "usage_context", "tone", "vocabulary", "writing_style", "example_phrases", "voice_summary")
	r.updated = c.wall
	return c.showVoice(r), nil
}

func (c *call) deleteBrandVoice() (any, error) {
	return c.drop(c.s.state.voices, c.path["id"], "brand_voice")
}
