package transcode

import "testing"

func TestMask(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"none: what is set", `label:"L" usage_context:""`, `{"label":"L","usage_context":""}`},
		{"an empty one is none", `label:"L" update_mask:{}`, `{"label":"L"}`},
		{"set", `label:"L" usage_context:"U" update_mask:{paths:"label"}`, `{"label":"L"}`},
		{"unset", `update_mask:{paths:"label" paths:"tone"}`, `{"label":null,"tone":null}`},
		{"set to empty", `label:"" tone:{} update_mask:{paths:"label" paths:"tone"}`, `{"label":"","tone":{}}`},
		{"an unset list", `update_mask:{paths:"example_phrases"}`, `{"example_phrases":[]}`},
		{"a set list", `example_phrases:{example:"x"} update_mask:{paths:"example_phrases"}`, `{"example_phrases":[{"example":"x"}]}`},
		{"in the order of the fields", `update_mask:{paths:"vocabulary" paths:"label"}`, `{"label":null,"vocabulary":null}`},
		{"named twice", `update_mask:{paths:"label" paths:"label"}`, `{"label":null}`},
		{"a part", `tone:{dos:"d" donts:"n"} update_mask:{paths:"tone.dos"}`, `{"tone":{"dos":["d"]}}`},
		{"unset parts", `tone:{donts:"n"} update_mask:{paths:"tone.dos" paths:"writing_style.jargon_usage"}`, `{"tone":{"dos":[]},"writing_style":{"jargon_usage":null}}`},
		{"a part and the whole", `tone:{dos:"d"} update_mask:{paths:"tone.dos" paths:"tone"}`, `{"tone":{"dos":["d"]}}`},
		{"additional fields that are not named", `additional_fields:{fields:{key:"x" value:{number_value:1}}} update_mask:{paths:"label"}`, `{"label":null}`},
		{"named", `additional_fields:{fields:{key:"x" value:{number_value:1}}} update_mask:{paths:"additional_fields"}`, `{"x":1}`},
		{"named, for a field that is named too", `additional_fields:{fields:{key:"label" value:{number_value:1}}} update_mask:{paths:"label" paths:"additional_fields"}`, `{"label":1}`},
		{"named inside a part", `tone:{additional_fields:{fields:{key:"x" value:{number_value:1}}}} update_mask:{paths:"tone.additional_fields"}`, `{"tone":{"x":1}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkBody(t, "UpdateBrandVoice", input(t, planOf(t, "UpdateBrandVoice"), `id:"b" `+tt.in), tt.want)
		})
	}
}

func TestMaskOfUnspecifiedEnum(t *testing.T) {
	in := input(t, planOf(t, "UpdatePersona"), `id:"p" type:PERSONA_AUDIENCE_TYPE_UNSPECIFIED update_mask:{paths:"type"}`)
	checkBody(t, "UpdatePersona", in, `{"type":null}`)
}

func TestMaskRefusals(t *testing.T) {
	tests := []struct {
		name, in string
		want     []Violation
	}{
		{"unknown", `update_mask:{paths:"labels" paths:"tone.does"}`, []Violation{
			{"update_mask", `"labels" is no field that can be changed`},
			{"update_mask", `"tone.does" is no field that can be changed`},
		}},
		{"the path", `update_mask:{paths:"id"}`, []Violation{{"update_mask", `"id" is no field that can be changed`}}},
		{"itself", `update_mask:{paths:"update_mask"}`, []Violation{{"update_mask", `"update_mask" is no field that can be changed`}}},
		{"everything", `update_mask:{paths:"*"}`, []Violation{{"update_mask", `"*" is no field that can be changed`}}},
		{"nothing", `update_mask:{paths:""}`, []Violation{{"update_mask", `"" is no field that can be changed`}}},
		{"into a list", `update_mask:{paths:"example_phrases.example"}`, []Violation{{"update_mask", `"example_phrases.example" is no field that can be changed`}}},
		{"into additional fields", `update_mask:{paths:"additional_fields.x"}`, []Violation{{"update_mask", `"additional_fields.x" is no field that can be changed`}}},
		{"a key that is set twice", `label:"L" additional_fields:{fields:{key:"label" value:{}}} update_mask:{paths:"additional_fields"}`, []Violation{
			{`additional_fields["label"]`, "is set both here and in label"},
		}},
		{"a key of the gateway", `additional_fields:{fields:{key:"stream" value:{}}} update_mask:{paths:"additional_fields"}`, []Violation{
			{`additional_fields["stream"]`, "is set by the gateway"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkRefused(t, "UpdateBrandVoice", input(t, planOf(t, "UpdateBrandVoice"), `id:"b" `+tt.in), tt.want...)
		})
	}
}
