package statusz

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

//go:embed page.html page.css page.js
var files embed.FS

// policy has the page take nothing from elsewhere, and run nothing that came with a
// caller's name or a message of Mavera's.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// A Page serves a [Board].
type Page struct {
	board    *Board
	template *template.Template
}

// NewPage returns the page of a board.
func NewPage(board *Board) *Page {
	functions := template.FuncMap{"ago": ago, "span": span, "plural": plural, "chart": chart, "latest": latest, "idle": idle}
	return &Page{board: board, template: template.Must(template.New("page").Funcs(functions).ParseFS(files, "page.html"))}
}

// Register adds the page's paths to a server.
func (p *Page) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /statusz", p.html)
	mux.HandleFunc("GET /statusz/page.css", file("page.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /statusz/page.js", file("page.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /statusz.json", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, p.board.Report()) })
	mux.HandleFunc("GET /supportz", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, p.board.Bundle(r.URL.Query().Get("request_id")))
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
	write(w, "text/html; charset=utf-8", text.Bytes())
}

// file serves one of the files that the page consists of.
func file(name, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, err := files.ReadFile(name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		write(w, contentType, text)
	}
}

// writeJSON writes for programs, and for people who look at it.
func writeJSON(w http.ResponseWriter, value any) {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		http.Error(w, "the report cannot be written: "+err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, "application/json", append(text, '\n'))
}

// write redacts as the log does.
func write(w http.ResponseWriter, contentType string, text []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	_, _ = secret.NewWriter(w).Write(text) // a reader who has gone is not ours to mind
}

// latest is the last point, or one of nothing.
func latest(points []Point) Point {
	if len(points) == 0 {
		return Point{}
	}
	return points[len(points)-1]
}

// idle reports whether there is nothing to say of a family.
func idle(f Family) bool {
	return f.Calls == 0 && f.Breaker == "closed" && (f.Slots == nil || f.Slots.Taken == 0) && (f.Watches == nil || f.Watches.Open == 0)
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
