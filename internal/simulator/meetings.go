package simulator

import (
	"fmt"
	"strings"
	"time"
)

// meetingStatus is the state word of a meeting: pending until it begins, then
// the bot joins, waits and records, then done; or cancelled.
func (c *call) meetingStatus(r *record) string {
	if r.doc["cancelled_at"] != nil {
		return "cancelled"
	}
	switch at, share := r.job.at(c.now); {
	case at == pending:
		return "pending"
	case at == completed:
		return "done"
	case share < 0.2:
		return "joining_call"
	case share < 0.3:
		return "in_waiting_room"
	default:
		return "recording"
	}
}

// showMeeting is a meeting as it stands now: what the call yields is there from
// done on.
func (c *call) showMeeting(r *record) object {
	status := c.meetingStatus(r)
	out := with(r.doc, object{"status": status, "created_at": iso(r.created), "updated_at": iso(latest(r.updated, r.job.touched(c.now, c.wall, r.created)))})
	if status == "cancelled" {
		out["updated_at"] = iso(r.updated)
	}
	yield := example("get-meeting")
	if status == "done" {
		for _, name := range []string{"participants", "participant_count", "transcript", "has_transcript", "analysis", "tasks", "task_count", "decisions", "decision_count"} {
			out[name] = yield[name]
		}
		out["completed_at"] = iso(r.job.ends().Add(c.wall.Sub(c.now)))
		out["recording_url"] = "https://files.example.com/" + r.id + ".mp4"
		return out
	}
	return with(out, object{
		"completed_at": nil, "recording_url": nil, "participants": []any{}, "participant_count": 0, "transcript": nil, "has_transcript": false,
		"analysis": nil, "tasks": []any{}, "task_count": 0, "decisions": []any{}, "decision_count": 0,
	})
}

func (c *call) listMeetings() (any, error) {
	workspace := c.query("workspace_id")
	return c.cursorPage(c.s.state.meetings, false, func(r *record) bool { return only(r, workspace) }, c.showMeeting)
}

func (c *call) createMeeting() (any, error) {
	if err := c.check(
		field{name: "meeting_url", kind: isURL, required: true}, field{name: "title"}, field{name: "bot_name"},
		field{name: "join_at", kind: isTime}, field{name: "workspace_id"},
	); err != nil {
		return nil, err
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	url, begin, kind, join := text(c.body, "meeting_url"), c.now, "adhoc", any(nil)
	if at, err := time.Parse(time.RFC3339, text(c.body, "join_at")); err == nil {
		kind, join = "scheduled", iso(at)
		if at = at.Add(c.now.Sub(c.wall)); at.After(begin) {
			begin = at
		}
	}
	doc := object{
		"id": c.id("meeting_"), "object": "meeting", "title": c.body["title"], "meeting_url": url, "bot_name": "Mavera Notetaker",
		"join_type": kind, "join_at": join, "workspace_id": workspace, "cancelled_at": nil, "cancelled_by": nil, "cancel_reason": nil,
	}
	merge(doc, c.body, "bot_name")
	r := c.s.state.meetings.add(&record{
		id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc, job: c.startJob(Meetings, begin),
	})
	bot := object{"meeting_url": object{"url": url}, "platform": platform(url), "status": c.meetingStatus(r), "created_at": iso(r.created), "updated_at": iso(r.created)}
	merge(bot, doc, "id", "object", "title", "bot_name", "join_type", "join_at", "workspace_id")
	return bot, nil
}

// platform names the service of a meeting URL.
func platform(url string) string {
	for _, p := range [][2]string{{"zoom", "zoom"}, {"meet.google", "google_meet"}, {"teams", "microsoft_teams"}, {"webex", "webex"}} {
		if strings.Contains(url, p[0]) {
			return p[1]
		}
	}
	return "unknown"
}

func (c *call) getMeeting() (any, error) {
	r, err := c.s.state.meetings.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	return c.showMeeting(r), nil
}

// cancelMeeting repeats the first receipt when a meeting is cancelled twice, and
// refuses one that is done.
func (c *call) cancelMeeting() (any, error) {
	r, err := c.s.state.meetings.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if err := c.check(field{name: "reason", max: 500}); err != nil {
		return nil, err
	}
	switch c.meetingStatus(r) {
	case "done":
		return nil, invalid("id", "The meeting is over.")
	case "cancelled":
	default:
		r.doc["cancelled_at"], r.doc["cancelled_by"], r.doc["cancel_reason"] = iso(c.wall), callerID, c.body["reason"]
		r.updated = c.wall
	}
	out := object{"status": "cancelled"}
	merge(out, r.doc, "id", "object", "cancelled_at", "cancelled_by", "cancel_reason")
	return out, nil
}

// doneMeeting returns the meeting of the path once it is done; until then its
// parts do not exist.
func (c *call) doneMeeting() (*record, error) {
	r, err := c.s.state.meetings.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if c.meetingStatus(r) != "done" {
		return nil, notFound("")
	}
	return r, nil
}

func (c *call) getMeetingTranscript() (any, error) {
	r, err := c.doneMeeting()
	if err != nil {
		return nil, err
	}
	format, err := c.oneOf("format", "segments", "text", "srt")
	if err != nil {
		return nil, err
	}
	from, err := c.number("start_time", 0)
	if err != nil {
		return nil, err
	}
	to, err := c.number("end_time", 1<<30)
	if err != nil {
		return nil, err
	}
	out := with(example("get-meeting-transcript"), object{"meeting_id": r.id})
	var segments []object
	for _, segment := range objects(out, "segments") {
		if number(segment["start"]) >= from && number(segment["end"]) < to {
			segments = append(segments, segment)
		}
	}
	delete(out, "segments")
	switch format {
	case "text":
		out["format"], out["content"] = format, plainText(segments)
	case "srt":
		out["format"], out["content"] = format, srt(segments)
	default:
		out["segments"] = append([]object{}, segments...)
	}
	return out, nil
}

func plainText(segments []object) string {
	var b strings.Builder
	for _, s := range segments {
		fmt.Fprintf(&b, "%s: %s\n", s["speaker"], s["text"])
	}
	return b.String()
}

// srt is the SubRip form: number, times, text, blank line.
func srt(segments []object) string {
	stamp := func(v any) string {
		d := time.Duration(number(v) * float64(time.Second)).Round(time.Millisecond)
		return fmt.Sprintf("%02d:%02d:%02d,%03d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, d.Milliseconds()%1000)
	}
	var b strings.Builder
	for i, s := range segments {
		fmt.Fprintf(&b, "%d\n%s --> %s\n%s: %s\n\n", i+1, stamp(s["start"]), stamp(s["end"]), s["speaker"], s["text"])
	}
	return b.String()
}

func (c *call) getMeetingAnalysis() (any, error) {
	r, err := c.doneMeeting()
	if err != nil {
		return nil, err
	}
	return with(example("get-meeting-analysis"), object{"meeting_id": r.id}), nil
}

// runMeetingSchema returns the stored result of a meeting and schema unless
// force_new is set. It costs nothing: no price is documented.
func (c *call) runMeetingSchema() (any, error) {
	r, err := c.doneMeeting()
	if err != nil {
		return nil, err
	}
	schema, err := c.s.state.meetingSchemas.find(c.path["schemaId"])
	if err != nil {
		return nil, err
	}
	if err := c.check(field{name: "model"}, field{name: "temperature", kind: isNumber, high: 2}, field{name: "force_new", kind: isBoolean}); err != nil {
		return nil, err
	}
	stored := c.s.state.schemaResult.byID[r.id+" "+schema.id]
	if stored != nil && !boolean(c.body, "force_new") {
		return stored.doc, nil
	}
	doc := with(schema.doc, object{
		"id": c.id("result_"), "meeting_id": r.id, "schema_id": schema.id, "created_at": iso(c.wall), "updated_at": iso(c.wall),
	})
	if stored != nil {
		stored.doc = doc
		return doc, nil
	}
	c.s.state.schemaResult.add(&record{id: r.id + " " + schema.id, doc: doc})
	return doc, nil
}
