// Package contract holds the upstream contract: what the public documentation of
// the Mavera REST API says, as one OpenAPI file, the behaviour that a schema
// cannot hold (README.md) and one example per main exchange.
//
// The gateway's protos are written from it, the simulator answers by it, and
// the tests hold both sides against it.
package contract

import "embed"

// OpenAPI is openapi.yaml, all operations and their schemas (OpenAPI 3.1).
//
//go:embed openapi.yaml
var OpenAPI []byte

// Examples holds the files under examples/: requests and answers named
// <operation>[.<case>].<request|response>.json, stream transcripts named
// <operation>.sse, and errors/<status>.<code>.json.
//
//go:embed examples
var Examples embed.FS
