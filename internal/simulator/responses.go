package simulator

import "strings"

// createResponse answers POST /responses. Tools: with tool_choice required or a
// named function the tool is called; with auto when the last turn is the user's
// and ends in a question mark or names the tool.
func (c *call) createResponse() (any, error) {
	if err := c.check(
		field{name: "model", required: true}, field{name: "input", kind: isTextOrList, required: true, max: 100000},
		field{name: "persona_id", required: true}, field{name: "instructions"}, field{name: "stream", kind: isBoolean},
		field{name: "analysis_mode", kind: isBoolean}, field{name: "text", kind: isObject, of: []field{{name: "format", kind: isObject, of: []field{
			{name: "type", required: true, enum: []string{"text", "json_object", "json_schema"}},
		}}}},
		field{name: "tools", kind: isList, of: []field{
			{name: "type", required: true, enum: []string{"function"}},
			{name: "name", required: true},
			{name: "description", required: true},
			{name: "parameters", kind: isObject, required: true},
		}},
		field{name: "tool_choice", kind: isTextOrObject},
		field{name: "reasoning_effort", enum: []string{"low", "medium", "high"}}, field{name: "verbosity", enum: []string{"low", "medium", "high"}},
		field{name: "temperature", kind: isNumber, high: 2}, field{name: "max_output_tokens", kind: isInteger, low: 1, high: 1 << 30},
		field{name: "top_p", kind: isNumber, high: 1}, field{name: "frequency_penalty", kind: isNumber, low: -2, high: 2},
		field{name: "presence_penalty", kind: isNumber, low: -2, high: 2},
	); err != nil {
		return nil, err
	}
	persona, err := c.speaker()
	if err != nil {
		return nil, err
	}
	turns, err := c.turns()
	if err != nil {
		return nil, err
	}
	item, parsed := c.outputItem(c.body, persona, turns)
	return c.respond(item, turns.asked, parsed, boolean(c.body, "analysis_mode"))
}

// speaker checks model and persona_id and returns the name of the persona.
func (c *call) speaker() (string, error) {
	if text(c.body, "model") != "mavera-1" {
		return "", &apiError{status: 400, kind: "invalid_request_error", code: "invalid_model", param: "model", message: "The model must be mavera-1."}
	}
	r := c.s.state.personas.byID[text(c.body, "persona_id")]
	if r == nil {
		return "", invalidPersona("persona_id")
	}
	return text(r.doc, "name"), nil
}

// conversation is what matters of the input.
type conversation struct {
	asked   string // The last text of the user.
	output  string // The last tool output, when it is the last item.
	fromOut bool
}

// turns reads the input, text or items.
func (c *call) turns() (conversation, error) {
	var t conversation
	items, ok := c.body["input"].([]any)
	if !ok {
		t.asked = text(c.body, "input")
		return t, nil
	}
	for _, e := range items {
		item, ok := e.(object)
		if !ok {
			return t, invalid("input", "The items of input must be objects.")
		}
		t.fromOut = false
		switch kind := text(item, "type"); kind {
		case "function_call_output":
			if text(item, "call_id") == "" {
				return t, missing("input.call_id")
			}
			t.output, t.fromOut = text(item, "output"), true
		case "function_call":
		case "", "message":
			if text(item, "role") == "" {
				return t, missing("input.role")
			}
			if text(item, "role") == "user" {
				t.asked = contentText(item["content"])
			}
		default:
			return t, invalid("input", "The item type "+kind+" is not known.")
		}
	}
	return t, nil
}

// contentText is the text of a message, its parts joined.
func contentText(content any) string {
	if s, ok := content.(string); ok {
		return s
	}
	parts, _ := content.([]any)
	var texts []string
	for _, p := range parts {
		if o, ok := p.(object); ok && text(o, "text") != "" {
			texts = append(texts, text(o, "text"))
		}
	}
	return strings.Join(texts, " ")
}

// outputItem makes the one item of the answer, and the parsed value of a
// structured one.
func (c *call) outputItem(body object, persona string, t conversation) (object, any) {
	if tool := wanted(body, t); tool != nil {
		arguments, err := encode(sample(tool["parameters"], text(tool, "name"), 0))
		if err != nil {
			arguments = []byte("{}") // A sample always encodes.
		}
		return object{
			"type": "function_call", "id": c.id("fc_"), "call_id": c.id("call_"), "name": text(tool, "name"),
			"arguments": string(arguments), "status": "completed",
		}, nil
	}
	answer := says(persona, t.asked)
	if t.fromOut {
		answer = "Speaking as " + persona + ", the tool told me: " + t.output
	}
	var parsed any
	if schema, kind := format(body); kind == "json_schema" {
		parsed = sample(schema, "answer", 0)
	} else if kind == "json_object" {
		parsed = object{"answer": answer}
	}
	if parsed != nil {
		if text, err := encode(parsed); err == nil {
			answer = string(text)
		}
		if _, kind := format(body); kind == "json_object" {
			parsed = nil // The documentation has `parsed` for json_schema only.
		}
	}
	return object{
		"id": c.id("msg_"), "type": "message", "role": "assistant", "status": "completed",
		"content": []object{{"type": "output_text", "text": answer, "annotations": []any{}}},
	}, parsed
}

// format returns the schema and the type of text.format, flat or nested.
func format(body object) (any, string) {
	config, _ := body["text"].(object)
	f, _ := config["format"].(object)
	schema := f["schema"]
	if nested, ok := f["json_schema"].(object); ok && schema == nil {
		schema = nested["schema"]
	}
	return schema, text(f, "type")
}

// wanted returns the tool that the answer calls, nil for none.
func wanted(body object, t conversation) object {
	tools, _ := body["tools"].([]any)
	if len(tools) == 0 {
		return nil
	}
	first, _ := tools[0].(object)
	if choice, ok := body["tool_choice"].(object); ok {
		for _, e := range tools {
			if tool, ok := e.(object); ok && text(tool, "name") == text(choice, "name") {
				return tool
			}
		}
		return nil
	}
	switch text(body, "tool_choice") {
	case "required":
		return first
	case "none":
		return nil
	}
	if t.fromOut {
		return nil
	}
	for _, e := range tools {
		tool, _ := e.(object)
		name := text(tool, "name")
		if matches(t.asked, name) || matches(t.asked, strings.ReplaceAll(name, "_", " ")) {
			return tool
		}
	}
	if strings.HasSuffix(strings.TrimSpace(t.asked), "?") {
		return first
	}
	return nil
}

// respond charges the call and makes the Response object or its stream.
func (c *call) respond(item object, asked string, parsed any, analyse bool) (any, error) {
	output := itemText(item)
	tokens := [2]int{estimate(string(c.raw)), estimate(output)}
	credits := c.priceTokens(tokens[0], tokens[1])
	if err := c.charge(credits, "", ""); err != nil {
		return nil, err
	}
	response := object{
		"id": c.s.state.ids.next("resp_", 24), "object": "response", "created_at": unix(c.wall), "status": "completed",
		"model": "mavera-1", "output": []object{item},
		"usage": object{"input_tokens": tokens[0], "output_tokens": tokens[1], "total_tokens": tokens[0] + tokens[1], "credits_used": credits},
	}
	if parsed != nil {
		response["parsed"] = parsed
	}
	if analyse {
		response["analysis"] = analysis(asked)
	}
	if boolean(c.body, "stream") {
		return responseEvents(response, item), nil
	}
	return response, nil
}

// itemText is the text that an output item carries.
func itemText(item object) string {
	if parts, ok := item["content"].([]object); ok {
		return text(parts[0], "text")
	}
	return text(item, "arguments")
}

// responseEvents is the event sequence of x-sse-events, the one the OpenAI SDKs accept.
func responseEvents(response, item object) []event {
	var events []event
	emit := func(name string, data object) {
		data["type"], data["sequence_number"] = name, len(events)
		events = append(events, event{name, data})
	}
	begun := with(response, object{"status": "in_progress", "output": []any{}, "usage": nil})
	delete(begun, "parsed")
	delete(begun, "analysis")
	emit("response.created", object{"response": begun})
	body := itemText(item)
	if text(item, "type") == "function_call" {
		emit("response.output_item.added", object{"output_index": 0, "item": with(item, object{"arguments": "", "status": "in_progress"})})
		for _, piece := range fragments(body) {
			emit("response.function_call_arguments.delta", object{"item_id": item["id"], "output_index": 0, "delta": piece})
		}
		emit("response.function_call_arguments.done", object{"item_id": item["id"], "output_index": 0, "name": item["name"], "arguments": body})
	} else {
		at := object{"item_id": item["id"], "output_index": 0, "content_index": 0}
		part := object{"type": "output_text", "text": "", "annotations": []any{}}
		emit("response.output_item.added", object{"output_index": 0, "item": with(item, object{"content": []any{}, "status": "in_progress"})})
		emit("response.content_part.added", with(at, object{"part": part}))
		for _, piece := range pieces(body) {
			emit("response.output_text.delta", with(at, object{"delta": piece}))
		}
		emit("response.output_text.done", with(at, object{"text": body}))
		emit("response.content_part.done", with(at, object{"part": with(part, object{"text": body})}))
	}
	emit("response.output_item.done", object{"output_index": 0, "item": item})
	emit("response.completed", object{"response": response})
	return append(events, done())
}

// fragments cuts JSON text after its commas, as arguments arrive.
func fragments(s string) []string { return strings.SplitAfter(s, ",") }

// failure is the response.failed event that ends a Responses stream after i events.
func failure(events []event, i int) (event, bool) {
	first, ok := events[0].data.(object)
	if !ok || events[0].name != "response.created" {
		return event{}, false
	}
	response, _ := first["response"].(object)
	return event{"response.failed", object{
		"type": "response.failed", "sequence_number": i,
		"response": with(response, object{"status": "failed", "error": object{"code": "internal_error", "message": "The reply could not be finished."}}),
	}}, true
}
