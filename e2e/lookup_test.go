//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"time"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

const (
	voiceRoute = "POST /brand-voices"
	groupRoute = "POST /focus-groups"
	videoRoute = "POST /video-analyses"
)

// cutAfterEffect and failAfterEffect are calls that were carried out, though nobody was
// told.
func cutAfterEffect() object  { return object{"effect": true, "close_before": true} }
func failAfterEffect() object { return object{"effect": true, "status": 500} }

// later lets the first call pass.
func later(fault object) object { fault["skip"] = 1; return fault }

// lookUpChaos are billed creates of unknown outcome, which the gateway looks up. The
// simulator answers 201 to a create and 200 to a look.
func lookUpChaos() []scenario {
	flags := []string{"--recover-creates"}
	hasOne := func(do func(*chaos) string) func(*chaos) string { // the object, and only one, is there
		return func(c *chaos) string { return do(c) + c.made() }
	}
	return []scenario{
		{name: "look-up: a persona, cut", flags: flags, faults: []object{on(createRoute, 1, cutAfterEffect())}, do: create, want: "OK 1 recovered", upstream: "0 200×2"},
		{name: "look-up: a brand voice, cut", flags: flags, faults: []object{on(voiceRoute, 1, cutAfterEffect())}, do: createVoice, want: "OK 1 recovered", upstream: "0 200"},
		{name: "look-up: a focus group, cut", flags: flags, faults: []object{on(groupRoute, 1, cutAfterEffect())}, do: func(c *chaos) string { return createGroup(c) }, want: "OK 1 recovered", upstream: "0 200×2"},
		{name: "look-up: a video analysis, cut", flags: flags, faults: []object{on(videoRoute, 1, cutAfterEffect())}, do: createVideo, want: "OK 1 recovered", upstream: "0 200"},
		{name: "look-up: 500 after a persona was created", flags: flags, faults: []object{on(createRoute, -1, failAfterEffect())}, do: hasOne(create), want: "OK 1 recovered, 1 of them", upstream: "*"},
		{name: "look-up: 500 after a focus group was created", flags: flags, faults: []object{on(groupRoute, -1, failAfterEffect())}, do: func(c *chaos) string { return createGroup(c) }, want: "OK 1 recovered", upstream: "500 200×2"},
		{name: "look-up: 500 twice, and nothing was created", flags: flags, faults: []object{on(createRoute, 2, answer(500))}, do: hasOne(create), want: "OK 3, 1 of them", upstream: "*"},
		{name: "look-up: 500, nothing was created; again, and it was", flags: flags, faults: []object{on(createRoute, 1, answer(500)), on(createRoute, 1, failAfterEffect())}, do: hasOne(create), want: "OK 2 recovered, 1 of them", upstream: "*"},
		{name: "look-up: 500 for ever", flags: append(flags, "--retry-attempts=2"), faults: []object{on(createRoute, -1, answer(500))}, do: create, want: "Internal HTTP_500 2", upstream: "500 200×2 500 200×2"},
		{name: "look-up: 502, and nothing was created", flags: flags, faults: []object{on(createRoute, 1, answer(502))}, do: create, want: "Unknown OUTCOME_UNKNOWN 1", upstream: "502 200×2"},
		{name: "look-up: 504 after the effect", flags: flags, faults: []object{on(videoRoute, 1, object{"effect": true, "status": 504})}, do: createVideo, want: "OK 1 recovered", upstream: "504 200"},
		{name: "look-up: an answer that is cut", flags: flags, faults: []object{on(createRoute, 1, object{"cut_after_bytes": 20})}, do: create, want: "OK 1 recovered", upstream: "201 200×2"},
		{name: "look-up: HTML for an answer", flags: flags, faults: []object{on(voiceRoute, 1, object{"effect": true, "status": 201, "body": "<html>"})}, do: createVoice, want: "OK 1 recovered", upstream: "201 200"},
		{name: "look-up: 503 is no reason", flags: flags, faults: []object{on(createRoute, 1, answer(503))}, do: create, want: "OK 2", upstream: "503 201"},
		{
			name: "look-up: two equal objects", flags: flags, faults: []object{later(on(createRoute, 1, cutAfterEffect()))},
			do:   func(c *chaos) string { c.elsewhere(); return c.create() },
			want: "Unknown OUTCOME_UNKNOWN 1", upstream: "201 0 200",
		},
		{
			name: "look-up: two equal objects, after 500", flags: flags, faults: []object{later(on(createRoute, 1, failAfterEffect()))},
			do:   func(c *chaos) string { c.elsewhere(); return c.create() },
			want: "Unknown OUTCOME_UNKNOWN 1", upstream: "201 500 200",
		},
		{
			name: "look-up: what another caller was given is not stolen", flags: flags, faults: []object{later(on(createRoute, 1, object{"close_before": true}))},
			do: twice(create), want: "OK 1, Unknown OUTCOME_UNKNOWN 1", upstream: "201 0 200×2",
		},
		{
			name: "look-up: nor what another caller's call may have made", flags: flags,
			faults: []object{on(createRoute, 1, object{"hang": true}), on(createRoute, 1, cutAfterEffect())},
			do: func(c *chaos) string {
				first := make(chan string)
				go func() { first <- c.create() }()
				c.awaitFaults(1)
				second := c.create()
				c.m.heal() // the first is cut, without effect
				return second + ", " + <-first
			},
			want: "Unknown OUTCOME_UNKNOWN 1, Unknown OUTCOME_UNKNOWN 1", upstream: "*",
		},
		{
			name: "look-up: two at once, both cut", flags: flags, faults: []object{on(createRoute, 2, object{"effect": true, "hang": true})},
			do: func(c *chaos) string {
				both := make(chan string)
				go func() { both <- many(2, func() string { return c.create() }) }()
				c.awaitFaults(0)
				c.m.heal()
				return <-both
			},
			want: "Unknown OUTCOME_UNKNOWN 1 ×2", upstream: "0×2 200×2",
		},
		{
			name: "look-up: no time", flags: flags, faults: []object{on(createRoute, 1, cutAfterEffect())},
			do: func(c *chaos) string { return c.create(deadline(time.Second)) }, want: "Unknown OUTCOME_UNKNOWN 1", upstream: "0",
		},
		{name: "look-up: it is refused", flags: flags, faults: []object{on(createRoute, 1, failAfterEffect()), on("GET /personas", -1, answer(403))}, do: create, want: "Unknown OUTCOME_UNKNOWN 1", upstream: "500 403"},
		{name: "look-up: it fails once", flags: flags, faults: []object{on(createRoute, 1, cutAfterEffect()), on("GET /personas", 1, answer(503))}, do: create, want: "OK 1 recovered", upstream: "0 503 200×2"},
		{name: "look-up: GET fails, the row is given", flags: flags, faults: []object{on(createRoute, 1, cutAfterEffect()), on(getRoute, -1, answer(404))}, do: create, want: "OK 1 recovered", upstream: "0 200 404"},
		{name: "look-up: no network", flags: flags, toxics: []toxic{{"reset_peer", "downstream", nil}}, do: create, want: "Unknown OUTCOME_UNKNOWN 1", upstream: "201 200×4"},
		{
			name: "look-up: the breaker is open", flags: append(flags, "--breaker-failures=1"), faults: []object{on(createRoute, 1, failAfterEffect())},
			do: create, want: "Unknown OUTCOME_UNKNOWN 1", upstream: "500",
		},
		{
			name: "look-up: a job that was found keeps its slot", flags: append(flags, "--focus-group-slots=1"), faults: []object{on(groupRoute, 1, cutAfterEffect())},
			do: func(c *chaos) string {
				c.m.control("PATCH", "settings", object{"job_duration": object{"focus_groups": "1h"}}, nil)
				return createGroup(c) + ", " + createGroup(c, deadline(crowded))
			},
			want: "OK 1 recovered, ResourceExhausted CONCURRENCY_LIMITED 0", upstream: "0 200×2",
		},
		{
			name: "look-up: it is counted", flags: flags, faults: []object{on(createRoute, 1, cutAfterEffect()), on(createRoute, 1, answer(502))},
			do: func(c *chaos) string {
				got := c.create() + ", " + c.create()
				_, metrics := c.page("/metrics")
				const name = "mavera_gateway_create_lookups_total"
				c.awaitMessage("look-up of a billed create")
				return got + ", found " + sample(metrics, name, `family="personas"`, `result="found"`) + ", none " + sample(metrics, name, `family="personas"`, `result="none"`)
			},
			want: "OK 1 recovered, Unknown OUTCOME_UNKNOWN 1, found 1, none 1", upstream: "*",
		},
	}
}

// awaitFaults waits until so many faults are left that no call was hit by.
func (c *chaos) awaitFaults(left int) {
	c.t.Helper()
	eventually(c.t, "calls that are hit", func() bool {
		var list struct{ Faults []object }
		c.m.control("GET", "faults", nil, &list)
		return len(list.Faults) == left
	})
}

func createVoice(c *chaos) string {
	return c.ask(func(ctx context.Context) outcome {
		_, o := call(ctx, c.voices.CreateBrandVoice, &maverav1.CreateBrandVoiceRequest{
			Label: "Acme", UsageContext: "Texts of all kinds", WorkspaceId: new(workspaceID),
			Urls: []*maverav1.BrandVoiceUrlInput{{Url: new("https://acme.example.com")}},
		})
		return o
	}, nil)
}

func createGroup(c *chaos, askers ...asker) string {
	return c.ask(func(ctx context.Context) outcome {
		_, o := call(ctx, c.groups.CreateFocusGroup, &maverav1.CreateFocusGroupRequest{
			WorkspaceId: new(workspaceID), Name: new("Bottle concept"), PersonaIds: []string{personaID},
		})
		return o
	}, askers)
}

func createVideo(c *chaos) string {
	return c.ask(func(ctx context.Context) outcome {
		_, o := call(ctx, c.videos.CreateVideoAnalysis, &maverav1.CreateVideoAnalysisRequest{
			VideoUrl: new("https://example.com/spot.mp4"), Title: "Spring spot", Brand: "Example Co", Product: "Bottle",
			PrimaryIntent: maverav1.VideoIntent_VIDEO_INTENT_PERSUASIVE, Goal: "Raise brand awareness",
		})
		return o
	}, nil)
}

// elsewhere creates what [chaos.create] does, past the gateway.
func (c *chaos) elsewhere() {
	c.t.Helper()
	other := startGateway(c.t, c.m.base)
	if o := other.createPersona(within(c.t)); o.err != nil {
		c.t.Fatal(o.err)
	}
}

// made counts the personas that chaos.create has made.
func (c *chaos) made() string {
	c.t.Helper()
	list, err := c.personas.ListPersonas(within(c.t), &maverav1.ListPersonasRequest{IsCustom: new(true)})
	if err != nil {
		c.t.Fatal(err)
	}
	n := 0
	for _, persona := range list.GetData() {
		if persona.GetName() == "Buyer" {
			n++
		}
	}
	return fmt.Sprintf(", %d of them", n)
}
