package statusz

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
	"time"
)

//go:embed page.html
var pageText string

// A Page serves a [Board].
type Page struct {
	board    *Board
	template *template.Template
}

// NewPage returns the page of a board.
func NewPage(board *Board) *Page {
	functions := template.FuncMap{"ago": ago, "span": span, "plural": plural, "chart": chart, "last": func(points []Point) int { return len(points) - 1 }}
	return &Page{board: board, template: template.Must(template.New("page").Funcs(functions).Parse(pageText))}
}

// Register adds the page's paths to a server.
func (p *Page) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /statusz", p.html)
	mux.HandleFunc("GET /statusz.json", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.board.Report()) })
	mux.HandleFunc("GET /supportz", func(w http.ResponseWriter, r *http.Request) {
		answer(w, p.board.Bundle(r.URL.Query().Get("request_id")))
	})
}

// html serves the page, or with ?part=main what of it changes.
func (p *Page) html(w http.ResponseWriter, r *http.Request) {
	name := "page"
	if r.URL.Query().Get("part") == "main" {
		name = "main"
	}
	var text bytes.Buffer
	if err := p.template.ExecuteTemplate(&text, name, p.board.Report()); err != nil {
		http.Error(w, "the page cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	// The page has one script and one style, of its own; nothing comes from elsewhere.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'")
	_, _ = w.Write(text.Bytes()) // a reader who has gone is not ours to mind
}

// answer writes JSON for programs, and for people who look at it.
func answer(w http.ResponseWriter, value any) {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		http.Error(w, "the report cannot be written: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(text, '\n')) // as above
}

// ago says how long something is past.
func ago(now, then time.Time) string { return span(int64(now.Sub(then).Seconds())) }

// span says so many seconds in the two largest units.
func span(seconds int64) string {
	units := []struct {
		name    string
		seconds int64
	}{{"d", 24 * 3600}, {"h", 3600}, {"min", 60}, {"s", 1}}
	for i, unit := range units {
		if seconds < unit.seconds && unit.seconds > 1 {
			continue
		}
		text := strconv.FormatInt(seconds/unit.seconds, 10) + " " + unit.name
		if i+1 < len(units) {
			if next := units[i+1]; seconds%unit.seconds/next.seconds > 0 {
				text += " " + strconv.FormatInt(seconds%unit.seconds/next.seconds, 10) + " " + next.name
			}
		}
		return text
	}
	return ""
}

// plural counts things whose plural has an s.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}
