// Package server is the gRPC side of the gateway: it registers every RPC of the
// compiled plans with one handler, and puts the interceptors in front of it.
//
// A call goes through
//
//	gRPC ─▶ chain (chain.go) ─▶ handler ─▶ transcode ─▶ one exchange ─▶ transcode ─▶ wire
//
// There is no generated server code: a [transcode.Plan] has all that a handler
// needs, and its answers are protobuf wire format already, which the codec passes
// on as it is. Callers use the generated clients of gen/mavera/v1 as ever.
package server
