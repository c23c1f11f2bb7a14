package server

import (
	"context"
	"sync"

	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
)

// following is the life of a follower: from the first start, if there is one, to the
// first stop.
type following struct {
	*jobs.Follower

	once  sync.Once
	life  context.Context //nolint:containedctx // it is the follower's life, not a call's
	end   context.CancelFunc
	ended chan struct{} // closed when it has ended, or will never begin
}

func newFollowing(follower *jobs.Follower) *following {
	f := &following{Follower: follower, ended: make(chan struct{})}
	f.life, f.end = context.WithCancel(context.Background())
	return f
}

func (f *following) start() {
	f.once.Do(func() {
		go func() {
			defer close(f.ended)
			f.Run(f.life)
		}()
	})
}

// stop returns when the follower has ended.
func (f *following) stop() {
	f.end()
	f.once.Do(func() { close(f.ended) })
	<-f.ended
}
