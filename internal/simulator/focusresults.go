package simulator

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxRespondents bounds the respondent rows of one question.
const maxRespondents = 200

// focusResults makes one result per question: respondents that answer by hash,
// and the aggregate of their answers in the form of the question's type.
func (c *call) focusResults(r *record) []object {
	questions, _ := r.doc["questions"].([]any)
	out := []object{}
	for _, q := range questions {
		question, _ := q.(object)
		out = append(out, result(r, question))
	}
	return out
}

// study is what the respondents of one question answered.
type study struct {
	kind    string // Upper case.
	options []string
	low     float64
	high    float64
	scores  []float64
	choices map[string]float64
}

func result(r *record, question object) object {
	s := newStudy(question)
	rows := s.ask(r, question)
	title := text(question, "question")
	for _, alias := range []string{"text", "prompt"} {
		if title == "" {
			title = text(question, alias)
		}
	}
	return object{
		"question_id": question["id"], "order": question["order"], "question": title, "type": s.kind,
		"response_count": len(rows), "respondents": rows, "aggregate": s.aggregate(),
	}
}

func newStudy(question object) *study {
	s := &study{kind: strings.ToUpper(text(question, "type")), low: 1, high: 5, choices: map[string]float64{}}
	if s.kind == "" {
		s.kind = "OPEN_ENDED"
	}
	for _, key := range []string{"options", "choices", "items", "rows"} {
		list, _ := question[key].([]any)
		for _, o := range list {
			s.options = append(s.options, optionLabel(o))
		}
		if s.options != nil {
			break
		}
	}
	switch s.kind {
	case "NPS":
		s.high, s.low = 10, 0
	case "SLIDER":
		s.high, s.low = 100, 0
	case "YES_NO":
		s.options = []string{"Yes", "No"}
	}
	if scale, ok := question["scale"].(object); ok {
		s.low, s.high = float64(integerOr(scale, "min", int(s.low))), float64(integerOr(scale, "max", int(s.high)))
	}
	if s.options == nil {
		s.options = []string{"First", "Second"}
	}
	return s
}

func optionLabel(o any) string {
	if m, ok := o.(object); ok {
		for _, key := range []string{"label", "value", "id"} {
			if m[key] != nil {
				return fmt.Sprint(m[key])
			}
		}
	}
	return fmt.Sprint(o)
}

// ask makes the rows of the respondents and collects their scores and choices.
func (s *study) ask(r *record, question object) []object {
	personas, _ := r.doc["personas"].([]object)
	rows := []object{}
	for i := range min(integerOf(r.doc["sample_size"]), maxRespondents) {
		id := "r" + strconv.Itoa(i+1)
		row := object{"respondent_id": id, "score": nil, "reasoning": "Respondent " + id + " found this obvious."}
		if len(personas) > 0 {
			row["persona"] = personas[i%len(personas)]
		}
		score := s.low + float64(pick(int(max(s.high-s.low, 0))+1, r.id, fmt.Sprint(question["id"]), id))
		choice := s.options[pick(len(s.options), r.id, fmt.Sprint(question["id"]), id, "choice")]
		switch s.kind {
		case "NPS", "LIKERT", "RATING", "SLIDER", "MATRIX", "SEMANTIC_DIFFERENTIAL":
			row["answer"], row["score"] = score, score
		case "RANKING":
			row["answer"] = rotated(s.options, choice)
		case "OPEN_ENDED":
			row["answer"] = "It depends on the price."
		default:
			row["answer"] = choice
		}
		s.scores = append(s.scores, score)
		s.choices[choice]++
		rows = append(rows, row)
	}
	return rows
}

// rotated is the options in their order, beginning with first.
func rotated(options []string, first string) []string {
	i := slices.Index(options, first)
	return slices.Concat(options[i:], options[:i])
}

// aggregate has the keys that the contract names for the type (x-type-facts).
func (s *study) aggregate() object {
	switch s.kind {
	case "NPS":
		return s.nps()
	case "LIKERT", "RATING":
		return s.moments("mean", "median", "std_dev", "distribution")
	case "SLIDER":
		return s.moments("mean", "median", "std_dev")
	case "MULTIPLE_CHOICE", "YES_NO":
		return object{"distribution": s.choices, "percentages": s.percentages()}
	case "RANKING":
		return object{"ranking": s.ranking()}
	case "MAX_DIFF", "CONJOINT":
		return object{"utilities": s.percentages()}
	case "MATRIX", "SEMANTIC_DIFFERENTIAL":
		items := object{}
		for _, o := range s.options {
			items[o] = s.moments("mean", "median", "std_dev")
		}
		return object{"items": items}
	default:
		return object{"themes": []object{{"theme": "price", "count": len(s.scores), "sentiment": "neutral", "quotes": []string{"It depends on the price."}}}, "summary": "Price decides."}
	}
}

func (s *study) nps() object {
	out := s.moments("mean", "median", "std_dev", "distribution")
	var up, down float64
	for _, x := range s.scores {
		switch {
		case x >= 9:
			up++
		case x <= 6:
			down++
		}
	}
	n := float64(len(s.scores))
	out["promoters"], out["detractors"], out["passives"] = up, down, n-up-down
	out["nps_score"] = math.Round(100 * (up - down) / max(n, 1))
	return out
}

// moments computes the named figures of the scores.
func (s *study) moments(names ...string) object {
	sorted := slices.Sorted(slices.Values(s.scores))
	n := float64(max(len(sorted), 1))
	var sum, squares, median float64
	distribution := map[string]float64{}
	for _, x := range sorted {
		sum += x
		squares += x * x
		distribution[strconv.FormatFloat(x, 'f', -1, 64)]++
	}
	if len(sorted) > 0 {
		median = sorted[len(sorted)/2]
	}
	mean := sum / n
	all := object{
		"mean": round(mean), "median": median, "std_dev": round(math.Sqrt(max(squares/n-mean*mean, 0))), "distribution": distribution,
	}
	out := object{}
	for _, name := range names {
		out[name] = all[name]
	}
	return out
}

func (s *study) percentages() map[string]float64 {
	out := map[string]float64{}
	for option, n := range s.choices {
		out[option] = round(100 * n / float64(max(len(s.scores), 1)))
	}
	return out
}

// ranking orders the options by how often they came first.
func (s *study) ranking() []object {
	order := slices.Clone(s.options)
	slices.SortStableFunc(order, func(a, b string) int { return int(s.choices[b] - s.choices[a]) })
	out := []object{}
	for i, o := range order {
		out = append(out, object{"item": o, "rank": i + 1, "average_rank": round(float64(i) + 1.2)})
	}
	return out
}

func round(x float64) float64 { return math.Round(x*100) / 100 }
