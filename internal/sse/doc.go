// Package sse reads event streams (text/event-stream) as the WHATWG HTML standard
// has them parsed, section 9.2.6, "Interpreting an event stream".
//
// Where it differs, because what it reads is one answer of an API and not a feed
// that a browser holds on to:
//
//   - An event that the stream ends in is not dropped in silence: the stream was
//     cut, and [Reader.Next] says so with io.ErrUnexpectedEOF.
//   - id and retry are passed over like any unknown field. They serve to connect
//     again and resume, which Mavera does not document, and a stream that has
//     delivered an event is never asked for a second time.
//   - Bytes that are not UTF-8 are left as they are, for the reader of the JSON to
//     judge. A name is "" where the standard would say "message".
//   - Lines and events have a limit in size.
//
// Nothing waits for bytes that it does not need: an event is returned as soon as
// the end of its blank line is there, and where that is a carriage return, the
// line feed that may follow is swallowed when it comes.
package sse
