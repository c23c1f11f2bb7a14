package transcode

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// personas makes a list of n personas, some 630 bytes each.
func personas(n int) []byte {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"id":"clx%dabc2d0001abcdef123456","object":"persona","name":"Enterprise CMO %d","category":"IndustrySpecific",`+
			`"description":"Marketing lead of a large firm.","is_custom":true,"is_expert":false,"created_at":1706140800,`+
			`"pipeline_type":"intermediate","type":"B2B","credits_charged":300,"details":{"persona_type":"B2B","buying_stage":"SOLUTION_AWARE",`+
			`"decision_role":"ECONOMIC_BUYER","role_segment":["CMO","VP Marketing"],"mcda_weights":{"price":3,"timeToValue":5,"risk":4,"proof":4,"support":2},`+
			`"goals":["Cut churn by a fifth","Grow the pipeline"],"pains":["No data","Slow tools"],"channels":["LinkedIn","Fachpresse für Händler"]}}`, i, i)
	}
	return []byte(`{"object":"list","data":[` + strings.Join(rows, ",") + `],"has_more":false}`)
}

// reply makes a Response of about so many bytes of text.
func reply(size int, unknown string) []byte {
	sentence := `She said \"no\" twice.\nThe plainer claim – the one without numbers – convinced her at once. `
	text := strings.Repeat(sentence, max(1, size/len(sentence)))
	return []byte(`{"id":"resp_abc123","object":"response","created_at":1706345678,"status":"completed","model":"mavera-1",` + unknown +
		`"output":[{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"` + text + `"}]}],` +
		`"usage":{"input_tokens":150,"output_tokens":200,"total_tokens":350,"credits_used":3}}`)
}

const unknownFields = `"service_tier":"default","metadata":{"a":[1,2,3],"b":{"c":"d","e":null}},"truncation":0.5,"parallel":true,"reasoning":{"effort":"low","summary":[{"type":"text","text":"because"}]},`

type benchCase struct {
	name, rpc string
	body      []byte
}

func benchCases() []benchCase {
	return []benchCase{
		{"personas_1KB", "ListPersonas", personas(2)},
		{"personas_12KB", "ListPersonas", personas(20)},
		{"personas_100KB", "ListPersonas", personas(160)},
		{"response_1KB", "CreateResponse", reply(700, "")},
		{"response_100KB_text", "CreateResponse", reply(100_000, "")},
		{"response_unknown_fields", "CreateResponse", reply(300, unknownFields)},
	}
}

// A contender does the work in its way.
type contender struct {
	name string
	run  func() error
}

// compare runs the contenders in turns, so that whatever else the machine does
// hits all of them, and reports for each its median time, its allocations, and
// how many times longer than the first it takes.
func compare(b *testing.B, bytes int, contenders ...contender) {
	b.Helper()
	spent := make([][]time.Duration, len(contenders))
	for b.Loop() {
		for i, c := range contenders {
			start := time.Now()
			if err := c.run(); err != nil {
				b.Fatal(err)
			}
			spent[i] = append(spent[i], time.Since(start))
		}
	}
	b.ReportMetric(0, "ns/op") // the sum of all says nothing
	b.ReportMetric(float64(bytes), "bytes")
	medians := make([]float64, len(contenders))
	for i, c := range contenders {
		slices.Sort(spent[i])
		medians[i] = float64(spent[i][len(spent[i])/2].Nanoseconds())
		b.ReportMetric(medians[i], "ns_"+c.name)
		b.ReportMetric(testing.AllocsPerRun(10, func() { _ = c.run() }), "allocs_"+c.name)
		if i > 0 {
			b.ReportMetric(medians[i]/medians[0], "x_"+c.name)
		}
	}
}

// BenchmarkDecode compares three ways from the JSON of an answer to a message, or
// to structs. x_protojson says how many times longer protojson takes for an equal
// message, x_encodingjson the same of encoding/json into hand-written structs.
// The goal is 2.5 and 1 for personas_12KB. ns_wire is what a call of the gateway
// takes: it sends the wire format and builds no message.
func BenchmarkDecode(b *testing.B) {
	for _, c := range benchCases() {
		b.Run(c.name, func(b *testing.B) {
			p := planOf(b, c.rpc)
			r := &Request{}
			_, equal := decoded(b, p, string(c.body))
			canonical, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(equal)
			if err != nil {
				b.Fatal(err)
			}
			contenders := []contender{
				{"message", func() error {
					a, err := p.Answer(r, c.body)
					if err != nil {
						return err
					}
					return a.Unmarshal(equal.ProtoReflect().New().Interface())
				}},
				{"wire", func() error { _, err := p.Answer(r, c.body); return err }},
				{"protojson", func() error {
					return protojson.Unmarshal(canonical, equal.ProtoReflect().New().Interface())
				}},
			}
			if c.rpc == "ListPersonas" {
				contenders = append(contenders, contender{"encodingjson", func() error {
					return json.Unmarshal(c.body, new(plainPersonas))
				}})
			}
			compare(b, len(c.body), contenders...)
		})
	}
}

// BenchmarkEncode compares three ways from a message, or structs, to JSON. Only
// requests are encoded in earnest; here the answers are, to have like with like.
func BenchmarkEncode(b *testing.B) {
	for _, c := range benchCases() {
		b.Run(c.name, func(b *testing.B) {
			p := planOf(b, c.rpc)
			_, equal := decoded(b, p, string(c.body))
			if list, ok := equal.(*maverav1.ListPersonasResponse); ok {
				for _, row := range list.GetData() {
					row.CreatedAt = nil // read as a number, written as text: not the same work
				}
			}
			contenders := []contender{
				{"ours", func() error { _, err := encoded(p.output, equal); return err }},
				{"protojson", func() error { _, err := protojson.Marshal(equal); return err }},
			}
			if c.rpc == "ListPersonas" {
				var plain plainPersonas
				if err := json.Unmarshal(c.body, &plain); err != nil {
					b.Fatal(err)
				}
				for i := range plain.Data {
					plain.Data[i].CreatedAt = nil
				}
				contenders = append(contenders, contender{"encodingjson", func() error { _, err := json.Marshal(&plain); return err }})
			}
			compare(b, len(c.body), contenders...)
		})
	}
}

// encoded writes any message as its JSON.
func encoded(m *message, msg proto.Message) ([]byte, error) {
	w, err := marshal(msg)
	if err != nil {
		return nil, err
	}
	var e encoder
	e.reserve(w)
	e.message(m, w)
	return e.out, nil
}

// TestBenchmarksAreFair: all contenders read, and write, the same.
func TestBenchmarksAreFair(t *testing.T) {
	body := personas(20)
	if len(body) < 12_000 || len(body) > 13_000 {
		t.Errorf("20 personas have %d bytes", len(body))
	}
	p := planOf(t, "ListPersonas")
	a, equal := decoded(t, p, string(body))
	if a.Losses != nil {
		t.Errorf("losses %v", a.Losses)
	}
	var plain plainPersonas
	if err := json.Unmarshal(body, &plain); err != nil {
		t.Fatal(err)
	}
	theirs, err := json.Marshal(&plain)
	if err != nil {
		t.Fatal(err)
	}
	var fromPlain, fromOurs map[string]any
	ours, err := encoded(p.output, equal)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(theirs, &fromPlain); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(ours, &fromOurs); err != nil {
		t.Fatal(err)
	}
	// Times are written as ISO 8601, not as the numbers they came as.
	for _, rows := range []any{fromPlain["data"], fromOurs["data"]} {
		for _, row := range rows.([]any) {
			delete(row.(map[string]any), "created_at")
		}
	}
	if got, want := fmt.Sprint(fromOurs["data"]), fmt.Sprint(fromPlain["data"]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
