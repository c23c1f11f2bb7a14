package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// TestLookUpTellsCallersApart has two callers ask for the same at the same time.
func TestLookUpTellsCallersApart(t *testing.T) {
	const unknown = "Unknown OUTCOME_UNKNOWN mavera.io outcome=unknown"
	type result struct {
		id  string
		err error
	}
	create := func(ctx context.Context, h *harness) result {
		p, err := h.personas.CreatePersona(ctx, newPersona())
		return result{p.GetId(), err}
	}
	t.Run("while another runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			upstream := newNoted(t)
			upstream.fault(t, simulator.Fault{Route: "POST /personas", Delay: 20 * time.Second})
			h := newHarness(t, upstream.ServeHTTP, recovers, still)
			slow := make(chan result, 1)
			go func() { slow <- create(t.Context(), h) }()
			time.Sleep(time.Millisecond)
			upstream.fault(t, simulator.Fault{Route: "POST /personas", CloseBefore: true, Effect: true})
			if got := create(t.Context(), h); verdict(got.err) != unknown {
				t.Errorf("what is found could be that of the slow one, got %+v", got)
			}
			if got := <-slow; got.err != nil {
				t.Errorf("the slow one: %+v", got)
			}
		})
	})
	t.Run("after another", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			upstream := newNoted(t)
			h := newHarness(t, upstream.ServeHTTP, recovers, still)
			first := create(t.Context(), h)
			upstream.fault(t, simulator.Fault{Route: "POST /personas", CloseBefore: true})
			if got := create(t.Context(), h); first.err != nil || verdict(got.err) != unknown {
				t.Errorf("first %+v, and then %+v: it stole the first one", first, got)
			}
			// The one before ended in doubt: what turns up now may be its object.
			upstream.fault(t, simulator.Fault{Route: "POST /personas", CloseBefore: true, Effect: true})
			if got := create(t.Context(), h); verdict(got.err) != unknown {
				t.Errorf("after one in doubt: %+v", got)
			}
			time.Sleep(doubtTime)
			upstream.fault(t, simulator.Fault{Route: "POST /personas", CloseBefore: true, Effect: true})
			if got := create(t.Context(), h); got.err != nil || got.id == first.id {
				t.Errorf("when the doubt is over: %+v", got)
			}
		})
	})
	t.Run("both cut", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			upstream := newNoted(t)
			upstream.fault(t, simulator.Fault{Route: "POST /personas", CloseBefore: true, Effect: true, Times: 2, Delay: time.Second})
			h := newHarness(t, upstream.ServeHTTP, recovers, still)
			results := make(chan result, 2)
			for range 2 {
				go func() { results <- create(t.Context(), h) }()
			}
			for range 2 {
				if got := <-results; verdict(got.err) != unknown {
					t.Errorf("got %+v", got)
				}
			}
		})
	})
}

// TestLookUpKeepsTheSlot finds a job that runs, and one that is over.
func TestLookUpKeepsTheSlot(t *testing.T) {
	for job, held := range map[time.Duration]int{75 * time.Second: 1, 10 * time.Second: 0} {
		synctest.Test(t, func(t *testing.T) {
			upstream := newNoted(t)
			sim := upstream.sim
			if err := sim.ChangeSettings(func(s *simulator.Settings) { s.JobDuration[simulator.FocusGroups] = job }); err != nil {
				t.Fatal(err)
			}
			upstream.fault(t, simulator.Fault{Route: "POST /focus-groups", CloseBefore: true, Effect: true, Delay: 30 * time.Second})
			h := newHarness(t, upstream.ServeHTTP, recovers, still)
			if _, err := maverav1.NewFocusGroupsServiceClient(h.conn).CreateFocusGroup(t.Context(), newStudy()); err != nil {
				t.Fatal(err)
			}
			wantSlots(t, h, resilience.SlotUsage{Slots: 5, Taken: held, Jobs: held})
		})
	}
}

// TestLookUpUsesTheKeyOfTheCall looks with a key that the caller has brought.
func TestLookUpUsesTheKeyOfTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		upstream.fault(t, simulator.Fault{Route: "POST /personas", CloseBefore: true, Effect: true})
		keys := map[string]int{}
		h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
			keys[r.Header.Get("Authorization")]++
			upstream.ServeHTTP(w, r)
		}, recovers, still, func(o *Options) { o.AllowCallerKeys = true })
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-mavera-api-key", "a-key-of-the-caller")
		if _, err := h.personas.CreatePersona(ctx, newPersona()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int{"Bearer a-key-of-the-caller": 3}, keys); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// TestLookUpByMaverasClock has Mavera's clock differ from ours.
func TestLookUpByMaverasClock(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, -time.Second, time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			upstream := newNoted(t)
			sim := upstream.sim
			if err := sim.ChangeSettings(func(s *simulator.Settings) { s.ClockSkew = skew }); err != nil {
				t.Fatal(err)
			}
			upstream.fault(t, simulator.Fault{Route: "POST /personas", CloseBefore: true, Effect: true})
			h := newHarness(t, upstream.ServeHTTP, recovers, still)
			if _, err := h.personas.CreatePersona(t.Context(), newPersona()); err != nil {
				t.Errorf("skew %v: %v", skew, err)
			}
		})
	}
}

// TestLookUpWalks lists video analyses of a fake Mavera in several pages.
func TestLookUpWalks(t *testing.T) {
	const mine = `{"id": "mine", "title": "An advert", "brand": "Brand", "product": "Product", "primary_intent": "Informative", "goal": "to show that it works", "created_at": %d}`
	const old = `{"id": "old-%d", "title": "An advert", "created_at": %d}`
	now := func() int64 { return time.Now().Unix() }
	page := func(more bool, rows ...string) string {
		return fmt.Sprintf(`{"object": "list", "data": [%s], "has_more": %t, "total": 1000}`, strings.Join(rows, ","), more)
	}
	filler := func(from int, at func(i int) int64) []string {
		var rows []string
		for i := range createPage {
			rows = append(rows, fmt.Sprintf(old, from+i, at(i)))
		}
		return rows
	}
	before := func(i int) int64 { return now() - 60 - int64(i) }
	for _, row := range []struct {
		name  string
		page  func(n int) string // of the n-th listing, from 1
		want  string
		pages int
	}{
		{"the newest first: older pages are not read", func(int) string {
			return page(true, append([]string{fmt.Sprintf(mine, now())}, filler(1, before)...)...)
		}, "mine", 1},
		{"the oldest first: every page is read", func(n int) string {
			if n == 3 {
				return page(false, fmt.Sprintf(mine, now()))
			}
			return page(true, filler(n*createPage, func(i int) int64 { return now() - 6000 + int64(n*createPage+i) })...)
		}, "mine", 3},
		{"no order, and too long", func(n int) string {
			return page(true, filler(n*createPage, func(i int) int64 { return now() - 6000 + int64(i*7919%6000) })...)
		}, "", mostLookUpPages},
		{"a row that moves to the next page", func(n int) string {
			if n == 1 {
				return page(true, fmt.Sprintf(mine, now()))
			}
			return page(false, fmt.Sprintf(mine, now()))
		}, "mine", 2},
		{"a listing that lags behind", func(n int) string {
			if n == 1 {
				return page(false)
			}
			return page(false, fmt.Sprintf(mine, now()))
		}, "mine", 2},
		{"nobody says when", func(int) string {
			return page(false, strings.Replace(mine, "%d", "null", 1))
		}, "", 1},
		{"not JSON", func(int) string { return "<html>" }, "", 4},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
				pages := 0
				h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						cutting(w, r)
					}
					pages++
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, row.page(pages))
				}, recovers, still)
				object, err := billedCreates()[3].create(t.Context(), h)
				id := object.(*maverav1.VideoAnalysis).GetId()
				if id != row.want || (err == nil) != (row.want != "") || pages != row.pages {
					t.Errorf("got %q after %d pages, %v; want %q after %d", id, pages, err, row.want, row.pages)
				}
			})
		})
	}
}
