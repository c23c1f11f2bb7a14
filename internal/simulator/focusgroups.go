package simulator

import (
	"maps"
	"strconv"
	"strings"
)

// showFocusGroup is a focus group as it stands now.
func (c *call) showFocusGroup(r *record) object {
	at, share := r.job.at(c.now)
	status := map[phase]string{pending: "pending", started: "processing", completed: "completed", failed: "failed"}[at]
	size := integerOf(r.doc["sample_size"])
	processed := int(share * float64(size))
	out := with(r.doc, object{
		"status": status, "error": nil, "results": nil, "completed_at": nil, "created_at": iso(r.created),
		"updated_at": iso(r.job.touched(c.now, c.wall, r.created)),
		"progress":   object{"total_respondents": size, "processed_respondents": processed, "percent": 100 * processed / max(size, 1)},
	})
	switch at {
	case pending, started:
	case completed:
		out["results"], out["completed_at"] = r.doc["results"], out["updated_at"]
		if out["results"] == nil {
			out["results"] = c.focusResults(r)
		}
	case failed:
		out["error"] = r.job.reason("The study could not be finished.")
	}
	return out
}

// listFocusGroups shows rows without results, as one may expect of the API.
func (c *call) listFocusGroups() (any, error) {
	workspace, project, status := c.query("workspace_id"), c.query("project_id"), c.query("status")
	return c.cursorPage(c.s.state.focusGroups, false, func(r *record) bool {
		return only(r, workspace) && (project == "" || text(r.doc, "project_id") == project) &&
			(status == "" || strings.EqualFold(status, text(c.showFocusGroup(r), "status")))
	}, func(r *record) object {
		row := c.showFocusGroup(r)
		delete(row, "results")
		return row
	})
}

// createFocusGroup costs 50 credits, one per respondent from the eleventh on and
// two per question, between 50 and 200.
func (c *call) createFocusGroup() (any, error) {
	if err := c.check(
		field{name: "workspace_id", required: true}, field{name: "project_id"}, field{name: "name"}, field{name: "persona_ids", kind: isList},
		field{name: "sample_size", kind: isInteger, low: 1, high: 100000}, field{name: "questions", kind: isList, of: []field{{name: "type"}, {name: "question"}}},
		field{name: "stimulus", kind: isTextOrObject}, field{name: "metadata", kind: isObject},
	); err != nil {
		return nil, err
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	project := text(c.body, "project_id")
	if project != "" && c.s.state.projects.byID[project] == nil {
		return nil, notFound("project_id")
	}
	refs := []object{}
	ids, _ := c.body["persona_ids"].([]any)
	for _, id := range ids {
		name, _ := id.(string)
		persona := c.s.state.personas.byID[name]
		if persona == nil {
			return nil, invalidPersona("persona_ids")
		}
		refs = append(refs, personaRef(persona))
	}
	if err := c.jobCap(c.s.state.focusGroups, focusCap); err != nil {
		return nil, err
	}
	size := integerOr(c.body, "sample_size", 10)
	questions := objects(c.body, "questions")
	credits := float64(min(max(50+max(size-10, 0)+2*len(questions), 50), 200))
	if err := c.charge(credits, workspace, project); err != nil {
		return nil, err
	}
	doc := maps.Clone(c.body)
	maps.Copy(doc, object{
		"id": c.id("fg_"), "object": "focus_group", "workspace_id": workspace, "project_id": orNull(project), "sample_size": size,
		"name": doc["name"], "personas": refs, "questions": numbered(questions), "usage": object{"credits_used": credits},
	})
	if doc["persona_ids"] == nil {
		doc["persona_ids"] = []any{}
	}
	r := c.s.state.focusGroups.add(&record{
		id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc, job: c.startJob(FocusGroups, c.now),
	})
	return c.showFocusGroup(r), nil
}

// numbered gives every question an id and an order.
func numbered(questions []object) []any {
	out := make([]any, 0, len(questions))
	for i, q := range questions {
		question := with(q, nil)
		if question["id"] == nil {
			question["id"] = "q" + strconv.Itoa(i+1)
		}
		if question["order"] == nil {
			question["order"] = i + 1
		}
		out = append(out, question)
	}
	return out
}

func (c *call) getFocusGroup() (any, error) {
	r, err := c.s.state.focusGroups.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	return c.showFocusGroup(r), nil
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// integerOf reads a whole number of a document, whichever way it came in.
func integerOf(v any) int { return int(number(v)) }
