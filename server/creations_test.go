package server

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// TestCreationsGiveOnce has many look-ups claim one object at the same time, each for a
// create that nobody else could have made it for.
func TestCreationsGiveOnce(t *testing.T) {
	t.Parallel()
	record, now := newCreations(), time.Unix(1_700_000_000, 0)
	object := made{traits: traits{name: "n"}, id: "a", created: now}
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[finding]int{}
	for range 50 {
		all.Go(func() {
			c := &creation{procedure: "p", want: traits{name: "n"}, since: now}
			_, found := record.claim(c, []made{object}, now, now)
			mu.Lock()
			defer mu.Unlock()
			got[found]++
		})
	}
	all.Wait()
	if got[foundOne] != 1 || got[foundNone] != 49 {
		t.Errorf("got %v, want one found and 49 none", got)
	}
}

// TestCreations is a script of what a key's creates do, and what a look-up makes of it.
func TestCreations(t *testing.T) {
	t.Parallel()
	begin := time.Unix(1_700_000_000, 0)
	at := begin.Add
	mine := func(since time.Duration) *creation {
		return &creation{procedure: "p", want: traits{name: "n", echoed: []string{"x"}}, since: at(since)}
	}
	row := func(id, name, echoed string) made {
		return made{id: id, traits: traits{name: name, echoed: []string{echoed}}, created: begin}
	}
	like := []made{row("a", "n", "x")}
	for _, step := range []struct {
		name  string
		do    func(*creations)
		mine  *creation
		rows  []made
		seen  time.Duration
		now   time.Duration
		found finding
	}{
		{"it is there", nil, mine(0), like, 1, 1, foundOne},
		{"nothing is there", nil, mine(0), nil, 1, 1, foundNone},
		{"something else is there", nil, mine(0), []made{row("a", "m", "x"), row("b", "n", "y")}, 1, 1, foundNone},
		{"it, and something else", nil, mine(0), []made{row("b", "n", "y"), row("a", "n", "x")}, 1, 1, foundOne},
		{"two of them", nil, mine(0), []made{row("a", "n", "x"), row("b", "n", "x")}, 1, 1, foundSeveral},
		{"one of two was given", func(r *creations) { r.give("b", begin) }, mine(0), []made{row("a", "n", "x"), row("b", "n", "x")}, 1, 1, foundOne},
		{"an unnamed row", nil, mine(0), []made{row("a", "", "x")}, 1, 1, foundSeveral},
		{"a row without id", nil, mine(0), []made{row("", "n", "x")}, 1, 1, foundSeveral},
		{"another create runs", func(r *creations) { r.begin(mine(0)) }, mine(0), like, 1, 1, foundSeveral},
		{"another create runs, and nothing is there", func(r *creations) { r.begin(mine(0)) }, mine(0), nil, 1, 1, foundNone},
		{"another create has begun after the listing", func(r *creations) { r.begin(mine(2)) }, mine(0), like, 1, 3, foundOne},
		{"a create of something else runs", func(r *creations) {
			r.begin(&creation{procedure: "p", want: traits{name: "n", echoed: []string{"y"}}, since: begin})
		}, mine(0), like, 1, 1, foundOne},
		{"a create of another kind runs", func(r *creations) { r.begin(&creation{procedure: "q", want: mine(0).want, since: begin}) }, mine(0), like, 1, 1, foundOne},
		{"another create is over", func(r *creations) {
			c := mine(0)
			r.begin(c)
			r.end(c, false, begin)
		}, mine(0), like, 1, 1, foundOne},
		{"another create ended in doubt", func(r *creations) { r.end(mine(0), true, begin) }, mine(0), like, 1, doubtTime - 1, foundSeveral},
		{"another create ended in doubt long ago", func(r *creations) { r.end(mine(0), true, begin) }, mine(0), like, 1, doubtTime, foundOne},
		{"an id is still known", func(r *creations) { r.give("a", begin) }, mine(0), like, 1, givenTime - 1, foundNone},
		{"an id is forgotten, and the create was there before", func(r *creations) { r.give("a", begin) }, mine(0), like, 1, givenTime, lookUpFailed},
		{"an id is forgotten, and the create came later", func(r *creations) { r.give("a", begin) }, mine(1), like, 2, givenTime, foundOne},
		{"more ids than are remembered", func(r *creations) {
			for i := range mostGiven + 1 {
				r.give(fmt.Sprint("id-", i), at(time.Duration(i)))
			}
		}, mine(0), nil, 1, mostGiven, lookUpFailed},
	} {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			record := newCreations()
			if step.do != nil {
				step.do(record)
			}
			record.begin(step.mine)
			if got, found := record.claim(step.mine, step.rows, at(step.seen), at(step.now)); found != step.found || found == foundOne && got.id != "a" {
				t.Errorf("%s %q, want %s", found, got.id, step.found)
			}
			if len(record.given) > mostGiven || len(record.order) != len(record.given) {
				t.Errorf("%d ids in %d places", len(record.given), len(record.order))
			}
		})
	}
}

// TestCreationsForget keeps no more doubts than it may.
func TestCreationsForget(t *testing.T) {
	t.Parallel()
	record, now := newCreations(), time.Unix(1_700_000_000, 0)
	for range mostDoubts + 10 {
		c := &creation{}
		record.begin(c)
		record.end(c, true, now)
	}
	if len(record.doubts) != mostDoubts || len(record.open) != 0 {
		t.Errorf("%d doubts, %d open", len(record.doubts), len(record.open))
	}
}

// TestCompare tells objects apart.
func TestCompare(t *testing.T) {
	t.Parallel()
	of := func(name string, lists ...string) traits {
		t := traits{name: name}
		for i, text := range lists {
			if i == 0 {
				t.echoed = strings.Split(text, ",")
			} else {
				t.edited = strings.Split(text, ",")
			}
		}
		return t
	}
	for _, row := range []struct {
		name string
		a, b traits
		want likeness
	}{
		{"equal", of("n", "x,y", "d"), of("n", "x,y", "d"), same},
		{"space around", of("n ", "x", "d"), of(" n", "x ", "d\n"), same},
		{"the case of a name", of("n"), of("N"), other},
		{"another name", of("n", "x"), of("m", "x"), other},
		{"another echoed one", of("n", "x,y"), of("n", "x,z"), other},
		{"an echoed one that is not known", of("n", "x,y"), of("n", "x,"), same},
		{"another edited one", of("n", "x", "d"), of("n", "x", "e"), unsure},
		{"an edited one that is not known", of("n", "x", "d"), of("n", "x", ""), same},
		{"no name asked for", of("", "x"), of("n", "x"), unsure},
		{"no name shown", of("n", "x"), of("", "x"), unsure},
		{"no name, but another echoed one", of("", "x"), of("n", "y"), other},
		{"nothing known", traits{}, of("n", "x", "d"), unsure},
	} {
		if got, back := row.a.compare(row.b), row.b.compare(row.a); got != row.want || back != row.want {
			t.Errorf("%s: %d, the other way %d, want %d", row.name, got, back, row.want)
		}
	}
}

// TestCreateKinds reads the requests, answers and rows of the contract's examples.
func TestCreateKinds(t *testing.T) {
	t.Parallel()
	plans, err := transcode.Compile(transcode.Services()...)
	if err != nil {
		t.Fatal(err)
	}
	example := func(name string) []byte {
		text, err := os.ReadFile("../internal/contract/examples/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	byProcedure := map[string]*transcode.Plan{}
	for _, p := range plans {
		byProcedure[p.Procedure] = p
	}
	names := map[string][2]string{
		"CreatePersona":       {"create-persona", "list-personas"},
		"CreateBrandVoice":    {"create-brand-voice", "list-brand-voices"},
		"CreateFocusGroup":    {"create-focus-group", "list-focus-groups"},
		"CreateVideoAnalysis": {"create-video-analysis", "list-video-analyses"},
	}
	for _, plan := range plans {
		kind := createKindOf(plan.Procedure)
		if (kind != nil) != (names[plan.RPC] != [2]string{}) {
			t.Errorf("%s: kind %v", plan.RPC, kind != nil)
		}
		if kind == nil {
			continue
		}
		want, err := kind.sent(example(names[plan.RPC][0] + ".request"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := plan.Answer(&transcode.Request{}, example(names[plan.RPC][0]+".response"))
		if err != nil {
			t.Fatal(err)
		}
		object, err := kind.whole(answer)
		if err != nil || want.compare(object.traits) != same || object.id == "" || object.created.IsZero() {
			t.Errorf("%s: asked for %+v, created %+v, %v", plan.RPC, want, object, err)
		}
		lister := byProcedure[kind.list]
		request, err := lister.Request(kind.page(want, ""))
		if err != nil {
			t.Fatal(err)
		}
		listing, err := lister.Answer(request, example(names[plan.RPC][1]+".response"))
		if err != nil {
			t.Fatal(err)
		}
		rows, next, err := kind.rows(listing)
		if err != nil || next != "" || len(rows) == 0 {
			t.Fatalf("%s: %d rows, next %q, %v", plan.RPC, len(rows), next, err)
		}
		last := rows[len(rows)-1]
		if last.id != object.id || want.compare(last.traits) != same || !last.created.Equal(object.created) {
			t.Errorf("%s: asked for %+v, row %+v", plan.RPC, want, last)
		}
		if len(rows) > 1 && want.compare(rows[0].traits) != other {
			t.Errorf("%s: asked for %+v, and %+v is not another", plan.RPC, want, rows[0])
		}
		if len(want.echoed) != len(object.echoed) || len(want.edited) != len(object.edited) {
			t.Errorf("%s: %+v and %+v are not of one form", plan.RPC, want, object.traits)
		}
	}
}

// TestSentIsUnreadable has a request that is no example of its kind.
func TestSentIsUnreadable(t *testing.T) {
	t.Parallel()
	if _, err := brandVoiceKind().sent([]byte(`{"label": 5}`)); err == nil {
		t.Error("a number is taken for a label")
	}
	got, err := brandVoiceKind().sent([]byte(`{"label": "l", "urls": [{"url": "a"}, "b"]}`))
	if err != nil || got.edited[1] != "a" {
		t.Errorf("got %+v, %v", got, err)
	}
}
