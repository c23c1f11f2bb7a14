package simulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// The next call of one route fails; the one after it works again.
func ExampleSimulator_AddFault() {
	sim, err := simulator.New(simulator.Options{Seed: 1, Now: func() time.Time { return time.Unix(1706345678, 0) }})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := sim.AddFault(simulator.Fault{Route: "POST /folders", Status: http.StatusServiceUnavailable}); err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		r := httptest.NewRequest("POST", "/api/v1/folders", strings.NewReader(`{"name":"Spring","workspace_id":"ws_abc123"}`))
		r.Header.Set("Authorization", "Bearer "+simulator.DemoKey)
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("X-RateLimit-Remaining"), w.Body)
	}
	// Output:
	// 503 59 {"error":{"code":"service_unavailable","message":"The service is unavailable for a moment.","param":null,"type":"server_error"}}
	// 201 58 {"created_at":"2024-01-27T08:54:38.000Z","file_count":0,"id":"folder_6djo9f8lcdhc","is_favorite":false,"is_shared":true,"name":"Spring","object":"folder","updated_at":"2024-01-27T08:54:38.000Z","workspace_id":"ws_abc123"}
}
