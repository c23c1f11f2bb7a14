package simulator

import (
	"slices"
	"time"
)

func roles() []string {
	return []string{"owner", "manager", "analyst", "viewer", "editor", "creative_specialist", "client_viewer", "department_admin"}
}

// workspace returns the workspace that the body names, the default one for none.
func (c *call) workspace() (string, error) {
	id := text(c.body, "workspace_id")
	if id == "" {
		return defaultWorkspace, nil
	}
	r := c.s.state.workspaces.byID[id]
	switch {
	case r == nil:
		return "", notFound("workspace_id")
	case text(r.doc, "role") == "":
		return "", forbidden("You have no access to this workspace.")
	}
	return id, nil
}

// ownWorkspace returns the workspace of the path, if the caller may see it.
func (c *call) ownWorkspace() (*record, error) {
	r, err := c.s.state.workspaces.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if text(r.doc, "role") == "" {
		return nil, forbidden("You have no access to this workspace.")
	}
	return r, nil
}

// showWorkspace is a workspace with its counts.
func (c *call) showWorkspace(r *record) object {
	of := func(t *table) int { return len(t.newest(func(o *record) bool { return only(o, r.id) })) }
	return with(r.doc, object{
		"member_count": len(c.s.state.members[r.id].order), "project_count": of(c.s.state.projects), "thread_count": of(c.s.state.threads),
	})
}

func (c *call) listWorkspaces() (any, error) {
	members, err := c.boolean("include_members", false)
	if err != nil {
		return nil, err
	}
	search := c.query("search")
	return c.cursorPage(c.s.state.workspaces, false, func(r *record) bool {
		return text(r.doc, "role") != "" && matches(text(r.doc, "name"), search)
	}, func(r *record) object {
		out := c.showWorkspace(r)
		if members {
			out["members"] = shown(c.s.state.members[r.id].order, func(m *record) object { return m.doc })
		}
		return out
	})
}

func (c *call) createWorkspace() (any, error) {
	if err := c.check(
		field{name: "name", required: true, min: 1, max: 100}, field{name: "type", enum: []string{"enterprise", "marketing_agency", "user", "starter"}},
		field{name: "image", kind: isURL}, field{name: "budget_alert", kind: isInteger}, field{name: "usage_limit", kind: isInteger},
		field{name: "billing_email", kind: isEmail},
	); err != nil {
		return nil, err
	}
	doc := object{
		"id": c.id("ws_"), "object": "workspace", "image": nil, "type": "user", "role": "owner", "is_owner": true,
		"budget_alert": nil, "usage_limit": nil, "billing_email": nil, "created_at": iso(c.wall), "updated_at": iso(c.wall),
	}
	merge(doc, c.body, "name", "type", "image", "budget_alert", "usage_limit", "billing_email")
	r := c.s.state.workspaces.add(&record{id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc})
	c.s.state.members[r.id] = newTable()
	c.s.state.addMember(r.id, callerID, "ana@example.com", "owner", c.wall)
	return c.showWorkspace(r), nil
}

func (c *call) getWorkspace() (any, error) {
	r, err := c.ownWorkspace()
	if err != nil {
		return nil, err
	}
	return c.showWorkspace(r), nil
}

func (c *call) listWorkspaceMembers() (any, error) {
	r, err := c.ownWorkspace()
	if err != nil {
		return nil, err
	}
	role, err := c.oneOf("role", roles()...)
	if err != nil {
		return nil, err
	}
	open, err := c.boolean("include_pending", true)
	if err != nil {
		return nil, err
	}
	search := c.query("search")
	keep := func(m *record) bool {
		return (role == "" || text(m.doc, "role") == role) && matches(text(m.doc, "email"), search)
	}
	page, err := c.cursorPage(c.s.state.members[r.id], false, keep, func(m *record) object { return m.doc })
	if err != nil {
		return nil, err
	}
	invitations := c.s.state.invitations.newest(func(i *record) bool { return only(i, r.id) && keep(i) })
	page["workspace_id"], page["total_members"], page["total_pending"] = r.id, len(c.s.state.members[r.id].order), len(invitations)
	if open {
		page["pending_invitations"] = shown(invitations, func(i *record) object { return i.doc })
	}
	return page, nil
}

// manages refuses callers that are neither owner nor manager of a workspace.
func manages(r *record) error {
	if !slices.Contains([]string{"owner", "manager"}, text(r.doc, "role")) {
		return forbidden("Only owners and managers may do this.")
	}
	return nil
}

func (c *call) inviteWorkspaceMember() (any, error) {
	r, err := c.ownWorkspace()
	if err != nil {
		return nil, err
	}
	if err := c.check(field{name: "email", kind: isEmail, required: true}, field{name: "role", enum: roles()}); err != nil {
		return nil, err
	}
	if err := manages(r); err != nil {
		return nil, err
	}
	if text(c.body, "role") == "owner" {
		return nil, forbidden("Nobody can be invited as owner.")
	}
	doc := object{
		"id": c.id("inv_"), "object": "workspace.invitation", "workspace_id": r.id, "role": "viewer", "status": "pending", "invited_by": callerID,
		"expires_at": iso(c.wall.Add(7 * 24 * time.Hour)), "created_at": iso(c.wall),
	}
	merge(doc, c.body, "email", "role")
	c.s.state.invitations.add(&record{id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc})
	return doc, nil
}

func (c *call) updateWorkspaceMember() (any, error) {
	r, err := c.ownWorkspace()
	if err != nil {
		return nil, err
	}
	member, err := c.s.state.members[r.id].find(c.path["userId"])
	if err != nil {
		return nil, err
	}
	if err := c.check(field{name: "role", required: true, enum: roles()}); err != nil {
		return nil, err
	}
	if err := manages(r); err != nil {
		return nil, err
	}
	if text(c.body, "role") == "owner" || text(member.doc, "role") == "owner" {
		return nil, forbidden("The role owner cannot be given or taken.")
	}
	member.doc["role"] = c.body["role"]
	return member.doc, nil
}
