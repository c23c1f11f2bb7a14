package simulator

import "strings"

// personaRef is a persona as other objects name it.
func personaRef(r *record) object {
	return object{"id": r.id, "name": r.doc["name"], "category": r.doc["category"]}
}

// showPersona is a persona as the list shows it; custom ones are `persona` there too.
func showPersona(r *record) object {
	return object{
		"id": r.id, "object": "persona", "name": r.doc["name"], "category": r.doc["category"], "description": r.doc["description"],
		"is_custom": boolean(r.doc, "is_custom"), "is_expert": boolean(r.doc, "is_expert"), "created_at": r.doc["created_at"],
	}
}

// listPersonas leaves has_more and next_cursor out when nothing follows, as the
// documented sample does.
func (c *call) listPersonas() (any, error) {
	custom, err := c.boolean("is_custom", false)
	if err != nil {
		return nil, err
	}
	category, search := c.query("category"), c.query("search")
	page, err := c.cursorPage(c.s.state.personas, false, func(r *record) bool {
		return (!custom || boolean(r.doc, "is_custom")) && (category == "" || strings.EqualFold(category, text(r.doc, "category"))) &&
			(matches(text(r.doc, "name"), search) || matches(text(r.doc, "description"), search))
	}, showPersona)
	if err == nil && !boolean(page, "has_more") {
		delete(page, "has_more")
		delete(page, "next_cursor")
	}
	return page, err
}

// personaFields are the rules that creation and update share.
func personaFields(required bool) []field {
	rules := []field{
		{name: "name", required: required, min: 2, max: 100},
		{name: "type", required: required, enum: []string{"B2B", "B2C"}},
		{name: "description"},
		{name: "mcda_weights", kind: isObject},
	}
	for _, name := range personaLists() {
		rules = append(rules, field{name: name, kind: isList})
	}
	for _, name := range personaTexts() {
		rules = append(rules, field{name: name})
	}
	return append(rules, field{name: "is_localized", kind: isBoolean})
}

func personaLists() []string {
	return []string{
		"role_segment", "primary_objectives", "goals", "pains", "triggers", "channels", "proof_types", "alternatives", "win_factors",
		"objections", "values", "proof_preferences", "tone_guardrails", "tech_stack", "procurement_constraints", "committee_mapping",
		"household_context", "lifestyle_affinities", "key_differentiators", "regulatory_context", "local_channels", "local_objections", "local_keywords",
	}
}

func personaTexts() []string {
	return []string{
		"buying_stage", "decision_role", "primary_use_case", "brand_voice_fit", "reading_level", "role_title", "seniority", "industry",
		"company_size", "budget_authority", "life_stage", "age_band", "income_band", "purchase_cadence", "locale_scope", "locale_value",
	}
}

func (c *call) createPersona() (any, error) {
	rules := append([]field{{name: "pipeline_type", required: true, enum: []string{"north_star", "intermediate", "advanced"}}}, personaFields(true)...)
	if err := c.check(append(rules, field{name: "workspace_id"}, field{name: "attributes", kind: isObject})...); err != nil {
		return nil, err
	}
	name := text(c.body, "name")
	if c.s.settings.UniquePersonas {
		for _, r := range c.s.state.personas.order {
			if strings.EqualFold(text(r.doc, "name"), name) {
				return nil, &apiError{status: 422, kind: "invalid_request_error", code: "duplicate_name", param: "name", message: "A persona of this name exists."}
			}
		}
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	if err := c.charge(personaPrice, workspace, ""); err != nil {
		return nil, err
	}
	details := object{"pipeline_type": c.body["pipeline_type"], "persona_type": c.body["type"], "is_localized": false}
	c.describe(details)
	doc := object{
		"id": c.cuid(), "object": "custom_persona", "name": name, "category": "IndustrySpecific", "description": "Custom persona: " + name + ".",
		"pipeline_type": c.body["pipeline_type"], "type": c.body["type"], "is_custom": true, "created_at": unix(c.wall),
		"credits_charged": personaPrice, "details": details, "workspace_id": workspace,
	}
	merge(doc, c.body, "description", "attributes")
	c.s.state.personas.add(&record{id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc})
	return showCustom(doc), nil
}

// showCustom is a custom persona in full.
func showCustom(doc object) object {
	out := with(doc, nil)
	delete(out, "workspace_id")
	return out
}

// describe copies the persona fields of the body into the details.
func (c *call) describe(details object) {
	merge(details, c.body, personaLists()...)
	merge(details, c.body, personaTexts()...)
	merge(details, c.body, "mcda_weights", "is_localized")
}

func (c *call) getPersona() (any, error) {
	r, err := c.s.state.personas.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if boolean(r.doc, "is_custom") {
		return showCustom(r.doc), nil
	}
	return showPersona(r), nil
}

// customPersona returns the persona of the path; base personas are read-only.
func (c *call) customPersona() (*record, error) {
	r, err := c.s.state.personas.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if !boolean(r.doc, "is_custom") {
		return nil, forbidden("Base personas are read-only.")
	}
	return r, nil
}

func (c *call) updatePersona() (any, error) {
	r, err := c.customPersona()
	if err != nil {
		return nil, err
	}
	if err := c.check(personaFields(false)...); err != nil {
		return nil, err
	}
	merge(r.doc, c.body, "name", "description", "type")
	details, _ := r.doc["details"].(object)
	details = with(details, nil)
	c.describe(details)
	merge(details, object{"persona_type": r.doc["type"]}, "persona_type")
	r.doc["details"] = details
	r.updated = c.wall
	return showCustom(r.doc), nil
}

func (c *call) deletePersona() (any, error) {
	r, err := c.customPersona()
	if err != nil {
		return nil, err
	}
	return c.drop(c.s.state.personas, r.id, "custom_persona")
}
