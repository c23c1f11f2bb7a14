package simulator

import (
	"fmt"
	"slices"
	"strings"
)

// listGenerationApps has one page; the documentation shows no paging.
func (c *call) listGenerationApps() (any, error) {
	page := bare(c.s.state.apps.newest(func(*record) bool { return true }), func(r *record) object { return r.doc })
	page["has_more"], page["next_cursor"] = false, nil
	return page, nil
}

// showGeneration is a generation as it is read back.
func showGeneration(r *record) object {
	out := with(r.doc, object{"updated_at": iso(r.updated)})
	delete(out, "content")
	return out
}

func (c *call) listGenerations() (any, error) {
	workspace, app, search := c.query("workspace_id"), c.query("app_id"), c.query("search")
	return c.eitherPage(c.s.state.generations, func(r *record) bool {
		of, _ := r.doc["app"].(object)
		return only(r, workspace) && (app == "" || text(of, "id") == app) && matches(text(r.doc, "title"), search)
	}, showGeneration)
}

// createGeneration costs 10 to 30 credits by the length of the output.
func (c *call) createGeneration() (any, error) {
	if err := c.check(
		field{name: "app_id", required: true}, field{name: "input_data", kind: isObject, required: true}, field{name: "brand_voice_id"},
		field{name: "persona_id"}, field{name: "workspace_id"}, field{name: "title"}, field{name: "stream", kind: isBoolean},
	); err != nil {
		return nil, err
	}
	app := c.s.state.apps.byID[text(c.body, "app_id")]
	if app == nil {
		return nil, notFound("app_id")
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	var voice any
	if id := text(c.body, "brand_voice_id"); id != "" {
		r := c.s.state.voices.byID[id]
		if r == nil {
			return nil, invalid("brand_voice_id", "No brand voice has this id.")
		}
		voice = object{"id": r.id, "label": r.doc["label"]}
	}
	if id := text(c.body, "persona_id"); id != "" && c.s.state.personas.byID[id] == nil {
		return nil, invalidPersona("persona_id")
	}
	output := c.compose(app)
	tokens := [2]int{estimate(string(c.raw)), estimate(output)}
	credits := float64(min(10+tokens[1]/20, 30))
	if err := c.charge(credits, workspace, ""); err != nil {
		return nil, err
	}
	c.tokens = tokens
	source := object{"id": app.id, "name": app.doc["name"], "category": app.doc["category"]}
	if source["category"] == nil {
		source["category"] = "content"
	}
	doc := object{
		"id": c.id("gen_"), "object": "generation", "title": app.doc["name"], "brand_voice": voice, "input_data": c.body["input_data"],
		"app": source, "output": output, "content_type": "markdown", "workspace_id": workspace, "created_at": iso(c.wall),
	}
	merge(doc, c.body, "title")
	r := c.s.state.generations.add(&record{id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc})
	result := with(showGeneration(r), object{"content": output, "usage": object{
		"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": tokens[0] + tokens[1], "credits_used": credits,
	}})
	if boolean(c.body, "stream") {
		return generationEvents(result, output), nil
	}
	return result, nil
}

// compose writes the text of a generation from its input.
func (c *call) compose(app *record) string {
	input, _ := c.body["input_data"].(object)
	keys := make([]string, 0, len(input))
	for key := range input {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var b strings.Builder
	fmt.Fprintf(&b, "# %v\n", app.doc["name"])
	for _, key := range keys {
		fmt.Fprintf(&b, "\n- %s: %v", strings.ReplaceAll(key, "_", " "), input[key])
	}
	return b.String()
}

// generationEvents is invented whole: pieces of content, then the result.
func generationEvents(result object, output string) []event {
	var events []event
	for _, piece := range pieces(output) {
		events = append(events, event{"content", object{"type": "content", "content": piece}})
	}
	return append(events, event{"done", object{"type": "done", "generation": result}})
}

func (c *call) getGeneration() (any, error) {
	r, err := c.s.state.generations.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	return showGeneration(r), nil
}

func (c *call) updateGeneration() (any, error) {
	r, err := c.s.state.generations.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if err := c.check(field{name: "title", required: true, max: 100}); err != nil {
		return nil, err
	}
	merge(r.doc, c.body, "title")
	r.updated = c.wall
	return showGeneration(r), nil
}

func (c *call) deleteGeneration() (any, error) {
	return c.drop(c.s.state.generations, c.path["id"], "generation")
}
