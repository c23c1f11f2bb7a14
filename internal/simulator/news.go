package simulator

import (
	"slices"
	"strings"
)

// summary is a story as the lists show it: key points as plain strings, and
// without what only the detail has.
func summary(r *record) object {
	out := with(r.doc, nil)
	for _, name := range []string{"object", "slug", "unique_source_domains", "countries", "people", "questions", "selected_articles", "history"} {
		delete(out, name)
	}
	points, _ := r.doc["key_points"].([]any)
	plain := make([]any, 0, len(points))
	for _, p := range points {
		if o, ok := p.(object); ok {
			plain = append(plain, o["point"])
		}
	}
	out["key_points"] = plain
	return out
}

// stories is a bare list of at most size stories.
func (c *call) stories(keep func(*record) bool) (object, error) {
	size, err := c.integer("size", 15, 0, 50)
	if err != nil {
		return nil, err
	}
	rows := c.s.state.stories.newest(keep)
	return bare(rows[:min(size, len(rows))], summary), nil
}

func (c *call) listTrendingNewsStories() (any, error) {
	category := c.query("category")
	return c.stories(func(r *record) bool {
		categories, _ := r.doc["categories"].([]any)
		return category == "" || slices.Contains(categories, any(category))
	})
}

func (c *call) listPersonalizedNewsStories() (any, error) {
	if c.query("persona_ids") == "" {
		return nil, missing("persona_ids")
	}
	refs := []object{}
	for id := range strings.SplitSeq(c.query("persona_ids"), ",") {
		r := c.s.state.personas.byID[strings.TrimSpace(id)]
		if r == nil {
			return nil, invalidPersona("persona_ids")
		}
		refs = append(refs, personaRef(r))
	}
	list, err := c.stories(func(*record) bool { return true })
	if err != nil {
		return nil, err
	}
	list["personalization"] = object{"personas": refs, "keywords": []string{"packaging", "price"}}
	return list, nil
}

func (c *call) getNewsStory() (any, error) {
	r, err := c.s.state.stories.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	history, err := c.boolean("include_history", true)
	if err != nil {
		return nil, err
	}
	out := with(r.doc, nil)
	if !history {
		delete(out, "history")
	}
	return out, nil
}

// analyzeNewsStory costs 5 to 20 credits by the length of the story.
func (c *call) analyzeNewsStory() (any, error) {
	r, err := c.s.state.stories.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if err := c.check(field{name: "persona_id", required: true}); err != nil {
		return nil, err
	}
	persona := c.s.state.personas.byID[text(c.body, "persona_id")]
	if persona == nil {
		return nil, invalidPersona("persona_id")
	}
	story, name := text(r.doc, "name"), text(persona.doc, "name")
	credits := float64(min(5+len(text(r.doc, "summary"))/10, 20))
	if err := c.charge(credits, "", ""); err != nil {
		return nil, err
	}
	c.tokens = [2]int{estimate(text(r.doc, "summary")), 200}
	return object{
		"object": "news_story_analysis", "story_id": r.id, "story_name": story, "persona": personaRef(persona),
		"analysis": object{
			"quick_view": says(name, story), "emotional_response": "Mild relief, some doubt.",
			"cognitive_engagement": "Wants to know the details.", "behavioral_intent": "Would tell a friend.",
			"news_contextualization": "Fits with earlier stories.", "risk_and_opportunity": "More chance than risk.",
			"confidence": float64(50+pick(50, story, name)) / 100,
		},
		"usage":       object{"prompt_tokens": c.tokens[0], "completion_tokens": c.tokens[1], "credits_used": credits},
		"analyzed_at": iso(c.wall),
	}, nil
}

func (c *call) chatNewsStory() (any, error) {
	r, err := c.s.state.stories.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if err := c.check(
		field{name: "message", required: true, max: 2000},
		field{name: "conversation_history", kind: isList, max: 20, of: []field{{name: "role"}, {name: "content"}}},
	); err != nil {
		return nil, err
	}
	answer := says("a reader of "+text(r.doc, "name"), text(c.body, "message"))
	credits := c.priceTokens(estimate(string(c.raw)), estimate(answer))
	if err := c.charge(credits, "", ""); err != nil {
		return nil, err
	}
	return object{
		"object": "news_story_chat", "story_id": r.id, "story_name": r.doc["name"],
		"message":    object{"role": "assistant", "content": answer},
		"usage":      object{"prompt_tokens": c.tokens[0], "completion_tokens": c.tokens[1], "credits_used": credits},
		"created_at": iso(c.wall),
	}, nil
}
