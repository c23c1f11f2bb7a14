package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// A part is one message of an upload. Its bytes stay in the buffers of grpc-go that
// they arrived in, so that a file of 2 GB makes no garbage.
type part struct {
	request *maverav1.UploadFileRequest // nil for a chunk
	chunk   mem.Reader
}

// chunkTag is how a message begins that holds a chunk and nothing else: field 2,
// of the wire type for bytes.
const chunkTag = 2<<3 | 2

// unmarshal takes a message in the wire format. Whatever is not simply a chunk goes the
// usual way.
func (p *part) unmarshal(data mem.BufferSlice) error {
	p.request = nil
	p.chunk.Reset(data)
	tag, err := p.chunk.ReadByte()
	if err == nil && tag == chunkTag {
		if size, err := binary.ReadUvarint(&p.chunk); err == nil && size == uint64(p.chunk.Remaining()) {
			return nil
		}
	}
	p.free()
	p.request = new(maverav1.UploadFileRequest)
	if err := proto.Unmarshal(data.Materialize(), p.request); err != nil {
		return fmt.Errorf("unmarshal UploadFileRequest: %w", err)
	}
	if chunk, ok := p.request.GetPayload().(*maverav1.UploadFileRequest_Chunk); ok {
		p.request = nil
		p.chunk.Reset(mem.BufferSlice{mem.SliceBuffer(chunk.Chunk)})
	}
	return nil
}

// free gives the buffers back.
func (p *part) free() { _ = p.chunk.Close() } // it never fails

// An inbox reads the stream of an upload: one part, then the bytes of all others as
// one file. A read from it ends with its context, as one from grpc-go does not.
type inbox struct {
	ctx    context.Context //nolint:containedctx // that of the stream that it reads
	wanted chan struct{}
	came   chan received

	mu     sync.Mutex
	part   *part // Guarded by mu. Nil when there is none, or it is being received.
	failed error // Guarded by mu.
}

// A received part, or why there is none.
type received struct {
	part *part
	err  error
}

// newInbox reads a stream until close is called, or the stream has ended.
func newInbox(ctx context.Context, stream grpc.ServerStream) *inbox {
	b := &inbox{ctx: ctx, wanted: make(chan struct{}, 1), came: make(chan received, 1), part: new(part)}
	go b.receive(stream, b.part)
	return b
}

// receive receives one part at a time, whenever one is wanted: what nobody wants yet
// stays with the caller (flow control).
func (b *inbox) receive(stream grpc.ServerStream, into *part) {
	for range b.wanted {
		err := stream.RecvMsg(into)
		if b.ctx.Err() != nil {
			into.free() // nobody waits for it
			return
		}
		b.came <- received{into, err}
		if err != nil {
			return
		}
	}
}

// next is the next part, valid until the next call; io.EOF after the last.
func (b *inbox) next() (*part, error) {
	if b.failed != nil {
		return nil, b.failed
	}
	b.part = nil
	b.wanted <- struct{}{}
	select {
	case got := <-b.came:
		b.part = got.part
		b.failed = b.reason(got.err)
	case <-b.ctx.Done():
		b.failed = context.Cause(b.ctx)
	}
	if b.failed != nil {
		return nil, b.failed
	}
	return b.part, nil
}

// reason is why a part could not be received, in our words where there are any.
func (b *inbox) reason(err error) error {
	switch status.Code(err) {
	case codes.OK:
		return nil
	case codes.Canceled, codes.DeadlineExceeded:
		<-b.ctx.Done() // at once: the stream is over
		return context.Cause(b.ctx)
	default:
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return &receiveError{err}
	}
}

// first is the first part, which must describe the file.
func (b *inbox) first() (*maverav1.UploadFileRequest, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	part, err := b.next()
	switch {
	case errors.Is(err, io.EOF), err == nil && part.request.GetMetadata() == nil:
		return nil, badPart("metadata", "must be in the first message of the stream")
	case err != nil:
		return nil, err
	}
	return part.request, nil
}

// Read implements io.Reader over the bytes of all parts but the first.
func (b *inbox) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if b.failed != nil {
			return 0, b.failed
		}
		if b.part.chunk.Remaining() > 0 {
			return b.part.chunk.Read(p) //nolint:wrapcheck // it has bytes, so it does not fail
		}
		part, err := b.next()
		switch {
		case err != nil:
		case part.request.GetMetadata() != nil:
			b.failed = badPart("metadata", "must be in the first message of the stream only")
		case part.request != nil:
			b.failed = badPart("payload", "must be set in every message of the stream")
		}
	}
}

// close ends the reading. The context must have ended before.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = context.Cause(b.ctx)
	close(b.wanted)
	if b.part != nil {
		b.part.free()
	}
}

func badPart(field, description string) error {
	return mavera.NewFailure(mavera.InvalidRequest, nil, transcode.Violation{Field: field, Description: description})
}
