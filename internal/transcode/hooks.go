package transcode

import (
	"bytes"
	"encoding/json"
)

// A hook rewrites the body of an answer that the documentation shows in a second
// form which no option of the protos can describe. It leaves all others alone.
type hook func(body []byte) []byte

// hookOf returns the hook of an RPC, nil for nearly all.
func hookOf(rpc string) hook {
	if rpc == "ChatVideoAnalysis" {
		return responseOfCompletion
	}
	return nil
}

// jsonObject is an object whose values are left as they are.
type jsonObject map[string]json.RawMessage

// take removes a key and returns its value, nil when there is none.
func (o jsonObject) take(key string) json.RawMessage {
	value := o[key]
	delete(o, key)
	return value
}

// responseOfCompletion turns a chat.completion into the Response that
// ChatVideoAnalysis answers: the reference page
// (/api-reference/video-analysis/chat-about-video-analysis) shows a Response, an
// older copy of it a chat.completion. object and the names inside usage stay as
// they came; what has no place in a Response goes to its additional_fields.
func responseOfCompletion(body []byte) []byte {
	if !bytes.Contains(body, []byte("chat.completion")) {
		return body
	}
	var response jsonObject
	if json.Unmarshal(body, &response) != nil || string(response["object"]) != `"chat.completion"` {
		return body
	}
	var choices []jsonObject
	var message jsonObject
	if json.Unmarshal(response["choices"], &choices) != nil || len(choices) == 0 ||
		json.Unmarshal(choices[0].take("message"), &message) != nil || message == nil {
		return body // the decoder keeps what it can
	}
	delete(response, "choices")
	if len(choices) > 1 { // one is documented
		response["choices"] = jsonOf(choices[1:])
	}
	delete(choices[0], "index")
	for _, from := range []jsonObject{choices[0], {"created_at": response.take("created"), "parsed": message.take("parsed")}} {
		for key, value := range from {
			if _, taken := response[key]; !taken && value != nil {
				response[key] = value
			}
		}
	}
	response["output"] = jsonOf(outputOf(message))
	return jsonOf(response)
}

// outputOf makes output items of the message of a choice.
func outputOf(message jsonObject) []jsonObject {
	var calls, output []jsonObject
	if json.Unmarshal(message["tool_calls"], &calls) == nil {
		delete(message, "tool_calls")
	}
	switch content := message["content"]; {
	case len(content) > 0 && content[0] == '"':
		message["content"] = jsonOf([]jsonObject{{"type": jsonOf("output_text"), "text": content}})
	case string(content) == "null":
		delete(message, "content")
	}
	rest := len(message)
	if _, ok := message["role"]; ok {
		rest--
	}
	if len(calls) == 0 || rest > 0 { // a message that only calls tools says nothing itself
		message["type"] = jsonOf("message")
		output = append(output, message)
	}
	for _, call := range calls {
		var function jsonObject
		if json.Unmarshal(call["function"], &function) == nil && function != nil {
			delete(call, "function")
			call["type"], call["call_id"] = jsonOf("function_call"), call.take("id")
			for _, key := range []string{"name", "arguments"} {
				call[key] = function.take(key)
			}
			for key, value := range function {
				call[key] = value
			}
		}
		output = append(output, call)
	}
	return output
}

// jsonOf writes what has come from JSON, which cannot fail.
func jsonOf(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}
