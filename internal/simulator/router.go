package simulator

import (
	"net/http"
	"net/url"
	"strings"
)

// router finds operations. It neither cleans nor redirects a path, so that a
// client's escaping mistakes show.
type router struct {
	byLength map[int][]route
}

type route struct {
	op       *operation
	segments []string
}

func newRouter(ops []operation) router {
	r := router{byLength: map[int][]route{}}
	for i := range ops {
		segments := strings.Split(BasePath+ops[i].path, "/")
		r.byLength[len(segments)] = append(r.byLength[len(segments)], route{&ops[i], segments})
	}
	return r
}

// find returns the operation and its path parameters. A literal segment wins
// over a parameter; a parameter is never empty.
func (r router) find(method, escapedPath string) (*operation, map[string]string, *apiError) {
	segments := strings.Split(escapedPath, "/")
	var found *operation
	var params map[string]string
	known := false
	for _, candidate := range r.byLength[len(segments)] {
		values, ok := candidate.match(segments)
		if !ok {
			continue
		}
		known = true
		if candidate.op.method == method && (found == nil || len(values) < len(params)) {
			found, params = candidate.op, values
		}
	}
	switch {
	case found != nil:
		return found, params, nil
	case known:
		return nil, nil, standard(http.StatusMethodNotAllowed)
	default:
		return nil, nil, notFound("")
	}
}

func (r route) match(segments []string) (map[string]string, bool) {
	var params map[string]string
	for i, want := range r.segments {
		if !strings.HasPrefix(want, "{") {
			if segments[i] != want {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		if params == nil {
			params = map[string]string{}
		}
		params[want[1:len(want)-1]] = value
	}
	return params, true
}
