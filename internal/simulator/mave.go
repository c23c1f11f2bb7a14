package simulator

import "strings"

// sendMaveMessage answers POST /mave/chat: by its length the question is simple,
// moderate, complex or strategic; a follow-up costs 40 % less (the documentation
// says 30-50 %).
func (c *call) sendMaveMessage() (any, error) {
	if err := c.check(
		field{name: "message", required: true}, field{name: "thread_id"}, field{name: "workspace_id"}, field{name: "stream", kind: isBoolean},
	); err != nil {
		return nil, err
	}
	message := text(c.body, "message")
	complexity, credits := complexityOf(message)
	var thread *record
	if id := text(c.body, "thread_id"); id != "" {
		if thread = c.s.state.threads.byID[id]; thread == nil {
			return nil, notFound("thread_id")
		}
		credits *= 0.6
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	if thread != nil {
		workspace = text(thread.doc, "workspace_id")
	}
	if err := c.charge(credits, workspace, ""); err != nil {
		return nil, err
	}
	if thread == nil {
		thread = c.newThread(message, complexity, workspace)
	}
	answer := c.extend(thread, message, credits)
	if boolean(c.body, "stream") {
		return maveEvents(answer), nil
	}
	return answer, nil
}

func complexityOf(message string) (string, float64) {
	switch n := len(strings.Fields(message)); {
	case n < 8:
		return "SIMPLE", 12
	case n < 25:
		return "MODERATE", 24
	case n < 60:
		return "COMPLEX", 40
	default:
		return "STRATEGIC", 60
	}
}

func (c *call) newThread(message, complexity, workspace string) *record {
	id := c.id("mave_thread_")
	title := []rune(message)
	return c.s.state.threads.add(&record{id: id, owner: c.key, created: c.wall, updated: c.wall, doc: object{
		"id": id, "object": "mave_thread", "title": string(title[:min(len(title), 100)]), "current_phase": "VALIDATION",
		"complexity": complexity, "credits_used": 0.0, "workspace_id": workspace, "messages": []any{}, "sources": []any{},
		"personas_used": []any{}, "created_at": iso(c.wall),
	}})
}

// extend adds question and answer to a thread and returns the answer.
func (c *call) extend(thread *record, message string, credits float64) object {
	persona := object{"id": "clx1abc2d0001abcdef123456", "name": "Gen Z Consumer"}
	answer := object{
		"id": c.id("mave_msg_"), "object": "mave_message", "thread_id": thread.id, "role": "assistant",
		"content": says("Mave", message) + " [1]", "sources": []object{
			{"title": "Refill survey 2024", "url": "https://research.example.com/refill-2024", "domain": "research.example.com", "snippet": "Six in ten would refill for a discount."},
			{"title": "Packaging habits of young buyers", "url": "https://news.example.com/packaging", "domain": "news.example.com", "snippet": "Effort is the main hurdle."},
		},
		"personas_used": []object{persona},
		"validation":    object{"confidence_score": float64(70+pick(30, message)) / 100, "hallucination_risk": "low", "unsupported_claims": []any{}},
		"usage":         object{"credits_used": credits}, "created_at": iso(c.wall),
	}
	messages, _ := thread.doc["messages"].([]any)
	thread.doc["messages"] = append(messages,
		object{"id": c.id("mave_msg_"), "role": "user", "content": message, "persona": nil, "created_at": iso(c.wall)},
		object{"id": answer["id"], "role": "assistant", "content": answer["content"], "persona": persona, "created_at": iso(c.wall)},
	)
	thread.doc["sources"], thread.doc["personas_used"] = answer["sources"], answer["personas_used"]
	thread.doc["credits_used"] = number(thread.doc["credits_used"]) + credits
	thread.updated = c.wall
	return answer
}

// maveEvents is the stream of an answer; the framing is inferred, so the type
// stands both in the event line and in the data.
func maveEvents(answer object) []event {
	var events []event
	emit := func(name string, data object) {
		data["type"] = name
		events = append(events, event{name, data})
	}
	for _, piece := range pieces(text(answer, "content")) {
		emit("content", object{"content": piece})
	}
	emit("sources", object{"sources": answer["sources"]})
	emit("validation", object{"validation": answer["validation"]})
	emit("done", object{"thread_id": answer["thread_id"], "usage": answer["usage"]})
	return events
}

// showThread is a thread as a list shows it.
func showThread(r *record) object {
	messages, _ := r.doc["messages"].([]any)
	out := with(r.doc, object{"message_count": len(messages), "updated_at": iso(r.updated)})
	delete(out, "messages")
	delete(out, "sources")
	delete(out, "personas_used")
	return out
}

func (c *call) listMaveThreads() (any, error) {
	workspace, search := c.query("workspace_id"), c.query("search")
	return c.eitherPage(c.s.state.threads, func(r *record) bool {
		return only(r, workspace) && matches(text(r.doc, "title"), search)
	}, showThread)
}

func (c *call) getMaveThread() (any, error) {
	r, err := c.s.state.threads.find(c.path["threadId"])
	if err != nil {
		return nil, err
	}
	return with(r.doc, object{"updated_at": iso(r.updated)}), nil
}

func (c *call) updateMaveThread() (any, error) {
	r, err := c.s.state.threads.find(c.path["threadId"])
	if err != nil {
		return nil, err
	}
	if err := c.check(field{name: "title", max: 100}); err != nil {
		return nil, err
	}
	merge(r.doc, c.body, "title")
	r.updated = c.wall
	return showThread(r), nil
}

func (c *call) deleteMaveThread() (any, error) {
	return c.drop(c.s.state.threads, c.path["threadId"], "mave_thread")
}

// drop deletes a record and returns the receipt.
func (c *call) drop(t *table, id, kind string) (any, error) {
	if _, err := t.find(id); err != nil {
		return nil, err
	}
	t.remove(id)
	return deleted(id, kind), nil
}
