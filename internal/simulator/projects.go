package simulator

import "slices"

// showProject is a project with its counts; detail adds the credits.
func (c *call) showProject(r *record, detail bool) object {
	out := with(r.doc, object{"workspace_name": nil, "updated_at": iso(r.updated)})
	delete(out, "credits_used_14d")
	if w := c.s.state.workspaces.byID[text(r.doc, "workspace_id")]; w != nil {
		out["workspace_name"] = w.doc["name"]
	}
	if detail {
		out["credits_used_14d"] = c.s.state.ledger.projects[r.id]
	}
	return out
}

func (c *call) listProjects() (any, error) {
	workspace := c.query("workspace_id")
	return c.cursorPage(c.s.state.projects, false, func(r *record) bool { return only(r, workspace) }, func(r *record) object {
		return c.showProject(r, false)
	})
}

func projectFields(required bool) []field {
	return []field{
		{name: "name", required: required, min: 1, max: 100},
		{name: "goal", max: 500},
		{name: "workspace_id"},
		{name: "budget_alert", kind: isInteger},
		{name: "usage_limit", kind: isInteger},
		{name: "billing_email", kind: isEmail},
	}
}

func (c *call) createProject() (any, error) {
	if err := c.check(projectFields(true)...); err != nil {
		return nil, err
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	doc := object{
		"id": c.id("proj_"), "object": "project", "goal": nil, "workspace_id": workspace, "thread_count": 0, "mave_thread_count": 0,
		"generation_count": 0, "budget_alert": nil, "usage_limit": nil, "billing_email": nil, "created_at": iso(c.wall),
	}
	merge(doc, c.body, "name", "goal", "budget_alert", "usage_limit", "billing_email")
	return c.showProject(c.s.state.projects.add(&record{id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc}), true), nil
}

func (c *call) getProject() (any, error) {
	r, err := c.s.state.projects.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	return c.showProject(r, true), nil
}

// updateProject is for owners, managers and editors; a project cannot be moved.
func (c *call) updateProject() (any, error) {
	r, err := c.s.state.projects.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if err := c.check(projectFields(false)...); err != nil {
		return nil, err
	}
	w := c.s.state.workspaces.byID[text(r.doc, "workspace_id")]
	if w == nil || !slices.Contains([]string{"owner", "manager", "editor"}, text(w.doc, "role")) {
		return nil, forbidden("Only owners, managers and editors may do this.")
	}
	merge(r.doc, c.body, "name", "goal", "budget_alert", "usage_limit", "billing_email")
	r.updated = c.wall
	return c.showProject(r, true), nil
}
