package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	channelz "google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/stats"

	"github.com/mavera-gateway/mavera-gateway/internal/caller"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/internal/upload"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// An Observer counts what calls bring to light.
type Observer interface {
	AddUnmodelledField(ctx context.Context, rpc, field, kind string, count int)
	AddCredits(ctx context.Context, family, caller string, credits float64)
	// AddAttempts counts requests sent; outcome, and the reason of AddRetry, are of a
	// bounded set.
	AddAttempts(ctx context.Context, family, outcome string, count int)
	// AddIgnoredReport counts calls whose x-forwarded-client-cert is not used; reason is
	// untrusted_peer, malformed or unnamed.
	AddIgnoredReport(ctx context.Context, reason string)
	// AddPanic counts a panic that was recovered.
	AddPanic(ctx context.Context)
	Decisions
	Meter
}

// Decisions counts what the gateway decides about calls.
type Decisions interface {
	AddRetry(ctx context.Context, family, reason string)
	AddBudgetRefusal(ctx context.Context, family string)
	AddTransition(ctx context.Context, family, from, to string)
	// AddLookUp counts a look-up of a billed create; result is found, none, several or
	// failed.
	AddLookUp(ctx context.Context, family, result string)
	// AddPoll counts polls of jobs that are watched; result is one of [jobs.Result].
	AddPoll(ctx context.Context, family, result string)
	// AddRefusal counts a call that was refused here, or ended because the server stops;
	// reason is that of its status, of a bounded set.
	AddRefusal(ctx context.Context, family, reason string)
}

// A Meter measures how long things took, and tokens.
type Meter interface {
	// RecordWait is told how long an attempt waited for permission.
	RecordWait(ctx context.Context, family, class string, wait time.Duration)
	// RecordJob is told how old a job was that held a slot when it was seen to be over.
	RecordJob(ctx context.Context, family string, age time.Duration)
	// RecordCall is told of every RPC, ours or not; method has no slash in front.
	RecordCall(ctx context.Context, method string, code codes.Code, took time.Duration)
	// RecordAttempt is told of every attempt: the status, 0 where there was no answer,
	// and what went wrong, of a bounded set, or "".
	RecordAttempt(ctx context.Context, to tracing.Target, status int, errorType string, took time.Duration)
	// RecordGeneration is told of every call that generates, over all attempts; why it
	// failed is of a bounded set, or "". RecordTokens is told what its answer reports.
	RecordGeneration(ctx context.Context, operation, model, errorType string, took time.Duration)
	RecordTokens(ctx context.Context, operation, model string, input, output int64)
}

// Options configure a [Server]. Client, Key, Logger and Observer are required.
type Options struct {
	// Client makes the exchanges with Mavera.
	Client *mavera.Client
	// Key returns the gateway's own key, anew for every call.
	Key func() secret.Key
	// AllowCallerKeys lets callers bring a key in the metadata x-mavera-api-key.
	AllowCallerKeys bool
	// Logger gets one line per call and per unusual decision.
	Logger *slog.Logger
	// Observer counts.
	Observer Observer
	// Ended is told of every call of an RPC of ours when it has ended, and must be quick.
	// Default: nobody is told.
	Ended func(Ended)
	// Policies say how calls are paced and repeated. Default [DefaultPolicies].
	Policies Policies

	// Storage takes the files of UploadFile. Default: one on a public address, over
	// https.
	Storage *upload.Storage
	// UploadIdleTimeout is how long an upload may stand still, on either side. Default:
	// the attempt_timeout of UploadFile, 60 s.
	UploadIdleTimeout time.Duration

	// FollowJobs lists running jobs at the start and polls those that hold slots, for
	// the gateway's own key. Default: slots are freed by answers to callers and by age.
	FollowJobs bool
	// RecoverCreates looks for what a billed create of unknown outcome has made before it
	// is given up or repeated. Default: it is given up, or repeated as its policy says.
	RecoverCreates bool

	// TLS serves TLS. Default: plaintext.
	TLS *tls.Config
	// TrustedProxies are the peers whose x-forwarded-client-cert is believed. Default:
	// none.
	TrustedProxies caller.Proxies
	// AllowCallers says who may call which service; health is open to everybody. Its
	// services must pass [CheckAllowList]. Default: everybody may call everything.
	AllowCallers caller.AllowList

	// MaxRequestBytes bounds a request message. Default 4 MiB, grpc-go's.
	MaxRequestBytes int
	// KeepaliveTime is how long a connection may be silent before it is asked for a
	// sign of life. Default 2 h, grpc-go's.
	KeepaliveTime time.Duration
	// MaxConnectionAge is when a connection is asked to close. Default: never.
	MaxConnectionAge time.Duration
	// Reflection, Health and Channelz turn on the services of these names.
	Reflection, Health, Channelz bool
	// Tracing makes the spans of calls. Default: there are none.
	Tracing *tracing.Recorder
	// StatsHandlers are told of every call.
	StatsHandlers []stats.Handler
}

// keepaliveTimeout is how long a silent connection has to answer.
const keepaliveTimeout = 20 * time.Second

// minPingInterval is how often clients may ask for a sign of life: grpc-go's
// default of 5 min drops clients that follow the usual advice of 30 s.
const minPingInterval = 20 * time.Second

// streamWorkers is how many goroutines are kept for calls. The stack of a new one
// grows several times on the way down the chain and through net/http, which costs
// more than a tenth of a small call; calls beyond this number get a goroutine of
// their own, as without it.
const streamWorkers = 64

// How much, in bytes, a caller may send of one call and over one connection before it is
// read. Left to itself grpc-go measures the connection to find them, with a ping after
// nearly every request; what callers send here fits in, and uploads are no faster than
// the storage behind them.
const (
	streamWindow     = 256 << 10
	connectionWindow = 1 << 20
)

// A Server is the gRPC server of the gateway.
type Server struct {
	options   Options
	plans     map[string]*transcode.Plan // by procedure
	validator protovalidate.Validator
	resilient *resilient
	handler   *handler
	following *following
	watches   *watches
	outages   *outages
	grpc      *grpc.Server
	health    *health.Server
	calls     *running
	streams   *running
	ready     atomic.Bool
}

// New compiles the plans and constraints of all RPCs and makes a server. An error
// is a mistake in the protos or a policy that makes no sense.
func New(options Options) (*Server, error) {
	plans, err := transcode.Compile(transcode.Services()...)
	if err != nil {
		return nil, fmt.Errorf("compile protos: %w", err)
	}
	if options.Policies.isZero() {
		if options.Policies, err = DefaultPolicies(resilience.DefaultPolicy(), 1); err != nil {
			return nil, fmt.Errorf("default policies: %w", err)
		}
	}
	if err := options.Policies.Validate(); err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	if options.Storage == nil {
		options.Storage = upload.NewStorage(upload.Rules{}, nil)
	}
	if err := CheckAllowList(options.AllowCallers); err != nil {
		return nil, fmt.Errorf("allowed callers: %w", err)
	}
	s := &Server{
		options: options, plans: make(map[string]*transcode.Plan, len(plans)), health: health.NewServer(),
		calls: newRunning(), streams: newRunning(),
	}
	if s.validator, err = newValidator(plans); err != nil {
		return nil, err
	}
	generates := make(map[*transcode.Plan]*generative)
	for _, p := range plans {
		s.plans[p.Procedure] = p
		if g := newGenerative(p); g != nil {
			generates[p] = g
		}
	}
	s.resilient = newResilient(options, options.Policies, generates)
	if s.watches, err = newWatches(s, plans); err != nil {
		return nil, err
	}
	s.resilient.watches = s.watches
	s.outages = newOutages(s.health, plans)
	s.resilient.outages = s.outages
	chain := s.chain()
	s.grpc = grpc.NewServer(append(s.grpcOptions(), intercept(chain)...)...)
	s.handler = &handler{options: options, generative: generates, chain: chain}
	s.handler.streams = s.streamers()
	if err := s.handler.register(s.grpc, plans); err != nil {
		return nil, err
	}
	s.following = newFollowing(s.newFollower())
	s.resilient.jobs = jobSlots{wake: s.following.Wake}
	s.resilient.lookUps = lookUps{options: options, plans: s.plans, exchange: s.exchange}
	if options.Health {
		grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
		s.setHealth(plans)
	}
	if options.Channelz {
		channelz.RegisterChannelzServiceToServer(s.grpc)
	}
	if options.Reflection {
		reflection.Register(s.grpc)
	}
	return s, nil
}

// streamers are what serves the streams of each kind.
func (s *Server) streamers() map[transcode.Kind]streamer {
	return map[transcode.Kind]streamer{
		transcode.Events: s.handler.events, transcode.Watch: s.watches.serve, transcode.Upload: s.serveUpload,
	}
}

func (s *Server) grpcOptions() []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2(proto.Name)}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPingInterval, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: s.options.KeepaliveTime, Timeout: keepaliveTimeout, MaxConnectionAge: s.options.MaxConnectionAge,
		}),
		grpc.WaitForHandlers(true),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connectionWindow),
	}
	if s.options.TLS != nil {
		options = append(options, grpc.Creds(newHandshakes(s.options.TLS, s.options.Logger)))
	}
	if s.options.MaxRequestBytes > 0 {
		options = append(options, grpc.MaxRecvMsgSize(s.options.MaxRequestBytes))
	}
	for _, h := range s.options.StatsHandlers {
		options = append(options, grpc.StatsHandler(h))
	}
	return options
}

// setHealth names every service as serving; "" is the server as a whole.
func (s *Server) setHealth(plans []*transcode.Plan) {
	for _, p := range plans {
		s.health.SetServingStatus(p.Service, grpc_health_v1.HealthCheckResponse_SERVING)
	}
}

// Serve answers calls on the listener, and follows jobs, until [Server.Stop].
func (s *Server) Serve(listener net.Listener) error {
	s.following.start()
	s.ready.Store(true)
	if err := s.grpc.Serve(listener); err != nil {
		return fmt.Errorf("serve gRPC: %w", err)
	}
	return nil
}

// Ready reports whether calls are taken.
func (s *Server) Ready() bool { return s.ready.Load() }

// noticeTime is how long streams go on once the server stops: health watchers learn
// of NOT_SERVING from theirs.
const noticeTime = 500 * time.Millisecond

// afterCut is how long calls that were cut have to send their statuses.
const afterCut = 2 * time.Second

// Leave says that the server is about to stop, and changes nothing else: all health goes
// NOT_SERVING for good and [Server.Ready] turns false, but calls are taken as before. Who
// balances calls by either sends them elsewhere from then on, so that none are on their way
// here when [Server.Stop] refuses them.
func (s *Server) Leave() {
	s.ready.Store(false)
	s.health.Shutdown()
	s.outages.stop()
}

// Stop ends the server, after [Server.Leave] where that was not called: new calls are
// refused, jobs are not watched any more, health watchers end half a second later, running
// calls may finish within the limit. Then they are ended with a status of their own; what
// does not even take that is dropped.
func (s *Server) Stop(limit time.Duration) {
	s.Leave()
	s.watches.hub.Close()
	cut := time.AfterFunc(limit, func() {
		s.options.Logger.Warn("the drain limit has passed; running calls are ended", slog.String("drain_timeout", limit.String()))
		s.calls.end()
	})
	leave := time.AfterFunc(min(noticeTime, limit), s.streams.end)
	drop := time.AfterFunc(limit+afterCut, s.grpc.Stop)
	s.grpc.GracefulStop()
	cut.Stop()
	drop.Stop()
	leave.Stop()
	s.calls.end()
	s.streams.end()
	s.following.stop() // not before: what it frees is for calls that wait
}
