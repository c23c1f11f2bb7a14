package simulator

import (
	"encoding/json"
	"fmt"
)

// videoLength is how long every simulated video is, in seconds; it fits the
// documented sample. At 30 s an analysis costs 150 credits (100-150 below 30 s,
// 150-250 above).
const (
	videoLength = 30
	videoPrice  = 150
)

func intents() []string {
	return []string{"Informative", "Persuasive", "Directive", "Expressive", "Transactional", "Appreciative", "Inspirational", "Entertainment"}
}

// videoStatus is the state word of an analysis.
func (c *call) videoStatus(r *record) string {
	at, _ := r.job.at(c.now)
	return map[phase]string{pending: "pending", started: "generating", completed: "completed", failed: "failed"}[at]
}

// showVideoRow is an analysis as creation and list show it.
func (c *call) showVideoRow(r *record) object {
	out := with(r.doc, object{"status": c.videoStatus(r), "created_at": unix(r.created)})
	for _, name := range []string{"results", "chunks", "progress", "error", "updated_at"} {
		delete(out, name)
	}
	return out
}

// showVideo is an analysis in full.
func (c *call) showVideo(r *record) object {
	at, share := r.job.at(c.now)
	updated := r.job.touched(c.now, c.wall, r.created)
	total := chunkCount(r.doc)
	out := with(c.showVideoRow(r), object{"updated_at": unix(updated), "error": nil, "results": nil, "chunks": nil})
	out["progress"] = object{"total_chunks": total, "processed_chunks": int(share * float64(total))}
	switch at {
	case pending, started:
	case completed:
		out["results"], out["chunks"] = r.doc["results"], r.doc["chunks"]
		if out["results"] == nil {
			out["results"], out["chunks"] = videoResults(r.doc, total, unix(updated)), videoChunks(r.doc, total)
		}
	case failed:
		out["error"], out["progress"] = r.job.reason("The video could not be downloaded."), nil
	}
	return out
}

func chunkCount(doc object) int {
	d := number(doc["chunk_duration"])
	if d <= 0 {
		d = 2
	}
	return max(int(videoLength/d), 1)
}

func videoResults(doc object, total int, completed any) object {
	results, _ := example("get-video-analysis.completed")["results"].(object)
	metrics, _ := results["metrics"].(object)
	score := pick(101, text(doc, "title"), text(doc, "goal"))
	return with(results, object{
		"total_chunks": total, "completed_at": completed,
		"metrics": with(metrics, object{"ad_effectiveness": object{"score": score, "explanation": "Clear message; the brand appears late."}}),
	})
}

func videoChunks(doc object, total int) []object {
	list, _ := example("get-video-analysis.completed")["chunks"].([]any)
	first, _ := list[0].(object)
	out := make([]object, 0, total)
	for i := range total {
		out = append(out, with(first, object{
			"index": i, "start_time": float64(i) * videoLength / float64(total), "transcript": fmt.Sprintf("%s, scene %d.", text(doc, "product"), i+1),
		}))
	}
	return out
}

func (c *call) listVideoAnalyses() (any, error) {
	status, err := c.oneOf("status", "pending", "generating", "completed", "failed")
	if err != nil {
		return nil, err
	}
	return c.offsetPage(c.s.state.videos, false, func(r *record) bool {
		return status == "" || c.videoStatus(r) == status
	}, c.showVideoRow)
}

// createVideoAnalysis takes an uploaded file (asset_id) in place of video_url, as
// the guides do.
func (c *call) createVideoAnalysis() (any, error) {
	if err := c.check(
		field{name: "video_url", kind: isURL, required: c.body["asset_id"] == nil}, field{name: "title", required: true, min: 3, max: 100},
		field{name: "brand", required: true, min: 2, max: 100}, field{name: "product", required: true, min: 2, max: 100},
		field{name: "primary_intent", required: true, enum: intents()}, field{name: "goal", required: true, min: 10, max: 500},
		field{name: "secondary_intent", enum: intents()}, field{name: "tertiary_intent", enum: intents()},
		field{name: "chunk_duration", kind: isNumber, low: 0.1, high: 3600}, field{name: "frames_per_chunk", kind: isInteger, low: 1, high: 1000},
		field{name: "asset_id"}, field{name: "workspace_id"},
	); err != nil {
		return nil, err
	}
	if id := text(c.body, "asset_id"); id != "" && c.s.state.files.byID[id] == nil {
		return nil, invalid("asset_id", "No file has this id.")
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	if err := c.jobCap(c.s.state.videos, videoCap); err != nil {
		return nil, err
	}
	if err := c.charge(videoPrice, workspace, ""); err != nil {
		return nil, err
	}
	doc := object{
		"id": c.cuid(), "object": "video_analysis", "video_url": nil, "secondary_intent": nil, "tertiary_intent": nil,
		"chunk_duration": json.Number("2"), "frames_per_chunk": json.Number("4"),
	}
	merge(doc, c.body, "video_url", "title", "brand", "product", "primary_intent", "secondary_intent", "tertiary_intent", "goal",
		"chunk_duration", "frames_per_chunk", "asset_id", "workspace_id")
	r := c.s.state.videos.add(&record{
		id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc, job: c.startJob(VideoAnalyses, c.now),
	})
	return c.showVideoRow(r), nil
}

func (c *call) getVideoAnalysis() (any, error) {
	r, err := c.s.state.videos.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	return c.showVideo(r), nil
}

func (c *call) chatVideoAnalysis() (any, error) {
	r, err := c.s.state.videos.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if err := c.check(
		field{name: "messages", kind: isList, required: true, min: 1, max: 50, of: []field{{name: "role", required: true}, {name: "content", required: true}}},
		field{name: "stream", kind: isBoolean},
	); err != nil {
		return nil, err
	}
	if c.videoStatus(r) != "completed" {
		return nil, invalid("id", "The analysis is not completed.")
	}
	var asked string
	for _, m := range objects(c.body, "messages") {
		if text(m, "role") == "user" {
			asked = text(m, "content")
		}
	}
	item := object{
		"id": c.id("msg_"), "type": "message", "role": "assistant", "status": "completed",
		"content": []object{{"type": "output_text", "text": says("the analyst of "+text(r.doc, "title"), asked), "annotations": []any{}}},
	}
	return c.respond(item, asked, nil, false)
}
