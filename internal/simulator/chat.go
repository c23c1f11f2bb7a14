package simulator

// createChatCompletion answers the older POST /chat/completions.
func (c *call) createChatCompletion() (any, error) {
	if err := c.check(
		field{name: "model", required: true}, field{name: "persona_id", required: true},
		field{name: "messages", kind: isList, required: true, min: 1, max: 128, of: []field{{name: "role", required: true, enum: []string{"system", "user", "assistant", "tool"}}}},
		field{name: "stream", kind: isBoolean}, field{name: "analysis_mode", kind: isBoolean},
		field{name: "reasoning_effort", enum: []string{"low", "medium", "high"}}, field{name: "verbosity", enum: []string{"low", "medium", "high"}},
		field{name: "tools", kind: isList, of: []field{{name: "type", required: true, enum: []string{"function"}}, {name: "function", kind: isObject, required: true}}},
	); err != nil {
		return nil, err
	}
	persona, err := c.speaker()
	if err != nil {
		return nil, err
	}
	var t conversation
	for _, m := range objects(c.body, "messages") {
		t.fromOut = text(m, "role") == "tool"
		switch text(m, "role") {
		case "user":
			t.asked = contentText(m["content"])
		case "tool":
			t.output = contentText(m["content"])
		}
	}
	item, parsed := c.outputItem(flatten(c.body), persona, t)
	return c.complete(item, t.asked, parsed)
}

// complete makes the ChatCompletion object or its stream.
func (c *call) complete(item object, asked string, parsed any) (any, error) {
	answer := itemText(item)
	tokens := [2]int{estimate(string(c.raw)), estimate(answer)}
	credits := c.priceTokens(tokens[0], tokens[1])
	if err := c.charge(credits, "", ""); err != nil {
		return nil, err
	}
	message, finish := object{"role": "assistant", "content": answer}, "stop"
	delta := object{"content": nil}
	if text(item, "type") == "function_call" {
		finish = "tool_calls"
		calls := object{"id": item["call_id"], "type": "function", "function": object{"name": item["name"], "arguments": answer}}
		message = object{"role": "assistant", "content": nil, "tool_calls": []object{calls}}
		delta["tool_calls"] = []object{with(calls, object{"index": 0})}
	}
	if parsed != nil {
		message["parsed"] = parsed
	}
	usage := object{"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": tokens[0] + tokens[1], "credits_used": credits}
	completion := object{
		"id": c.id("chatcmpl_"), "object": "chat.completion", "created": unix(c.wall), "model": "mavera-1",
		"choices": []object{{"index": 0, "message": message, "finish_reason": finish}}, "usage": usage,
	}
	if boolean(c.body, "analysis_mode") {
		completion["analysis"] = analysis(asked)
	}
	if !boolean(c.body, "stream") {
		return completion, nil
	}
	chunk := func(delta object, finish any) object {
		return object{
			"id": completion["id"], "object": "chat.completion.chunk", "created": completion["created"], "model": "mavera-1",
			"choices": []object{{"index": 0, "delta": delta, "finish_reason": finish}},
		}
	}
	events := []event{{data: chunk(object{"role": "assistant", "content": ""}, nil)}}
	if finish == "tool_calls" {
		events = append(events, event{data: chunk(delta, nil)})
	} else {
		for _, piece := range pieces(answer) {
			events = append(events, event{data: chunk(object{"content": piece}, nil)})
		}
	}
	events = append(events, event{data: with(chunk(object{}, finish), object{"usage": usage})})
	return append(events, done()), nil
}

// flatten brings the nested tools and response_format of the older endpoint into
// the form of POST /responses.
func flatten(body object) object {
	out := object{"tool_choice": body["tool_choice"]}
	if choice, ok := body["tool_choice"].(object); ok {
		if f, ok := choice["function"].(object); ok {
			out["tool_choice"] = f
		}
	}
	if tools, ok := body["tools"].([]any); ok {
		flat := make([]any, 0, len(tools))
		for _, t := range tools {
			if f, ok := t.(object)["function"].(object); ok {
				flat = append(flat, f)
			}
		}
		out["tools"] = flat
	}
	if f, ok := body["response_format"].(object); ok {
		out["text"] = object{"format": f}
	}
	return out
}
