package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// control serves the control interface. Bodies are JSON; unknown fields are
// refused. Refusals are 400 with {"error": text}.
//
//	POST   /_control/faults        script a fault (Fault; delay as "250ms"); answers {"id"}.
//	                               A keep-alive before every event of the next stream:
//	                               {"route": "POST /responses", "inserts": [{"text": ": \n\n"}]}
//	GET    /_control/faults        the faults that are not used up
//	DELETE /_control/faults[/{id}] forget all faults, or one
//	GET    /_control/requests      the journal
//	DELETE /_control/requests      empty the journal
//	GET    /_control/settings      the settings
//	PATCH  /_control/settings      change settings
//	POST   /_control/jobs          script how jobs end (JobScript)
//	POST   /_control/window        {"key", "requests"}: count foreign requests
//	POST   /_control/reset         back to the start
func (s *Simulator) control(w http.ResponseWriter, r *http.Request) {
	answer, err := s.command(r)
	status := http.StatusOK
	if err != nil {
		status, answer = http.StatusBadRequest, object{"error": err.Error()}
		if errors.Is(err, errNoCommand) {
			status = http.StatusNotFound
		}
	}
	text, err := encode(answer)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) //nolint:gosec // It is JSON and said to be.
}

var errNoCommand = errors.New("no such command")

func (s *Simulator) command(r *http.Request) (any, error) {
	path := strings.TrimPrefix(r.URL.Path, "/_control/")
	done := object{"ok": true}
	if id, ok := strings.CutPrefix(path, "faults/"); ok && r.Method == http.MethodDelete {
		n, err := strconv.Atoi(id)
		if err != nil || !s.RemoveFault(n) {
			return nil, fmt.Errorf("fault %q: %w", id, errNoCommand)
		}
		return done, nil
	}
	switch r.Method + " " + path {
	case "POST faults":
		return s.postFault(r)
	case "GET faults":
		return object{"faults": wires(s.Faults())}, nil
	case "DELETE faults":
		s.ClearFaults()
		return done, nil
	case "GET requests":
		return object{"requests": s.Requests()}, nil
	case "DELETE requests":
		s.ForgetRequests()
		return done, nil
	case "GET settings":
		return wireOf(s.Settings()), nil
	case "PATCH settings":
		return s.patchSettings(r)
	case "POST jobs":
		var script JobScript
		if err := read(r, &script); err != nil {
			return nil, err
		}
		return done, s.ScriptJobs(script)
	case "POST window":
		in := struct {
			Key      string `json:"key"`
			Requests int    `json:"requests"`
		}{Key: DemoKey}
		if err := read(r, &in); err != nil {
			return nil, err
		}
		return object{"counted": s.UseWindow(in.Key, in.Requests)}, nil
	case "POST reset":
		s.Reset()
		return done, nil
	}
	return nil, fmt.Errorf("%s /_control/%s: %w", r.Method, path, errNoCommand)
}

// read decodes the body of a control request.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s %s: text after the JSON value", r.Method, r.URL.Path)
	}
	return nil
}

// wireFault is a Fault as JSON, its delay in the form of time.ParseDuration.
type wireFault struct {
	Fault
	Delay string `json:"delay"`
}

func wires(faults []Fault) []wireFault {
	out := make([]wireFault, 0, len(faults))
	for i := range faults {
		out = append(out, wireFault{faults[i], faults[i].Delay.String()})
	}
	return out
}

func (s *Simulator) postFault(r *http.Request) (any, error) {
	var in wireFault
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if in.Delay != "" {
		d, err := time.ParseDuration(in.Delay)
		if err != nil {
			return nil, fmt.Errorf("delay: %w", err)
		}
		in.Fault.Delay = d
	}
	id, err := s.AddFault(in.Fault)
	if err != nil {
		return nil, err
	}
	return object{"id": id}, nil
}

// Settings returns the current settings.
func (s *Simulator) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings.clone()
}

// ChangeSettings lets change edit the current settings. The error names the
// value that has no meaning; then nothing has changed.
func (s *Simulator) ChangeSettings(change func(*Settings)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.settings.clone()
	change(&next)
	next, err := next.withDefaults()
	if err != nil {
		return err
	}
	s.settings = next
	return nil
}

// wireSettings are Settings as JSON; what is absent stays as it is. Durations
// have the form of time.ParseDuration.
type wireSettings struct {
	Limit          *int              `json:"limit,omitempty"`
	Reset          *Reading          `json:"reset,omitempty"`
	Credits        *float64          `json:"credits,omitempty"`
	Speed          *float64          `json:"speed,omitempty"`
	JobDuration    map[string]string `json:"job_duration,omitempty"`
	Latency        map[string]string `json:"latency,omitempty"`
	TokenDelay     *string           `json:"token_delay,omitempty"`
	Envelope       *Envelope         `json:"envelope,omitempty"`
	ClockSkew      *string           `json:"clock_skew,omitempty"`
	UniquePersonas *bool             `json:"unique_personas,omitempty"`
}

func wireOf(s Settings) wireSettings {
	return wireSettings{
		Limit: &s.Limit, Reset: &s.Reset, Credits: &s.Credits, Speed: &s.Speed, Envelope: &s.Envelope,
		JobDuration: words(s.JobDuration), Latency: words(s.Latency), UniquePersonas: &s.UniquePersonas,
		TokenDelay: new(s.TokenDelay.String()), ClockSkew: new(s.ClockSkew.String()),
	}
}

func words(in map[string]time.Duration) map[string]string {
	out := map[string]string{}
	for k, v := range in {
		out[k] = v.String()
	}
	return out
}

func (s *Simulator) patchSettings(r *http.Request) (any, error) {
	var in wireSettings
	if err := read(r, &in); err != nil {
		return nil, err
	}
	jobs, err := durations("job_duration", in.JobDuration)
	if err != nil {
		return nil, err
	}
	latency, err := durations("latency", in.Latency)
	if err != nil {
		return nil, err
	}
	single := map[string]string{}
	if in.TokenDelay != nil {
		single["token_delay"] = *in.TokenDelay
	}
	if in.ClockSkew != nil {
		single["clock_skew"] = *in.ClockSkew
	}
	other, err := durations("settings", single)
	if err != nil {
		return nil, err
	}
	err = s.ChangeSettings(func(to *Settings) {
		set(&to.Limit, in.Limit)
		set(&to.Reset, in.Reset)
		set(&to.Credits, in.Credits)
		set(&to.Speed, in.Speed)
		set(&to.Envelope, in.Envelope)
		set(&to.UniquePersonas, in.UniquePersonas)
		if d, ok := other["token_delay"]; ok {
			to.TokenDelay = d
		}
		if d, ok := other["clock_skew"]; ok {
			to.ClockSkew = d
		}
		maps.Copy(to.JobDuration, jobs)
		if to.Latency == nil {
			to.Latency = map[string]time.Duration{}
		}
		maps.Copy(to.Latency, latency)
	})
	if err != nil {
		return nil, err
	}
	return wireOf(s.Settings()), nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func durations(what string, in map[string]string) (map[string]time.Duration, error) {
	out := map[string]time.Duration{}
	for name, text := range in {
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", what, name, err)
		}
		out[name] = d
	}
	return out, nil
}
