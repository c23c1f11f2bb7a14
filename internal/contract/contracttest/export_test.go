package contracttest

// Check validates one JSON text against the schema at a JSON pointer.
func (v *Validator) Check(where string, text []byte) error { return v.check(where, text) }

// Stream validates every event of an SSE text against the schema at a JSON pointer.
func (v *Validator) Stream(where string, text []byte) error { return v.stream(where, false, text) }
