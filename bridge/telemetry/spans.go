package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"chatbridge/bridge/pipeline"
	"chatbridge/source"
)

// traceTimeout is how long a trace waits for its clients. The span gives how many of them had
// the event by then.
const traceTimeout = 5 * time.Second

// complete reports whether all clients in whose queues the events were put have them.
func complete(p *pipeline.Passage) bool {
	for i := range p.Events {
		if written, queued, _, _ := p.Events[i].Written.Written(); written < queued {
			return false
		}
	}
	return true
}

// emit makes the spans of a Passage:
//
//	transaction                 commit … the last client
//	├ receive                   commit … the source had it
//	└ message, messageStatus …  one for each event
//	  ├ map                     … its JSON was made
//	  ├ log                     … it was in the replay log and in clients' queues
//	  └ write                   … the last client's connection had it; an event in it: the first
func emit(tracer trace.Tracer, p *pipeline.Passage) {
	// The database's clock may be ahead of ours.
	commit, received := earlier(p.Tx.Time, p.Received), p.Received
	end := received
	for i := range p.Events {
		end = later(end, ended(&p.Events[i]))
	}
	ctx, root := tracer.Start(
		context.Background(), "transaction", trace.WithTimestamp(commit), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("bridge.position", source.Position{Commit: p.Tx.Commit}.String()),
			attribute.Int("bridge.events", p.All),
		),
	)
	span(ctx, tracer, "receive", commit, received)
	start := received
	for i := range p.Events {
		e := &p.Events[i]
		ctx, event := tracer.Start(ctx, e.Kind.String(), trace.WithTimestamp(start))
		span(ctx, tracer, "map", start, e.Mapped)
		span(ctx, tracer, "log", e.Mapped, e.Logged)
		written, queued, first, last := e.Written.Written()
		if queued > 0 || written > 0 {
			_, write := tracer.Start(ctx, "write", trace.WithTimestamp(e.Logged), trace.WithAttributes(
				attribute.Int64("bridge.clients", queued), attribute.Int64("bridge.clients_written", written),
			))
			if written > 0 {
				write.AddEvent("first client", trace.WithTimestamp(first))
			}
			write.End(trace.WithTimestamp(later(e.Logged, last)))
		}
		event.End(trace.WithTimestamp(ended(e)))
		start = e.Logged
	}
	root.End(trace.WithTimestamp(end))
}

func span(ctx context.Context, tracer trace.Tracer, name string, from, to time.Time) {
	_, s := tracer.Start(ctx, name, trace.WithTimestamp(from))
	s.End(trace.WithTimestamp(to))
}

// ended is when the last client had an event, or it was logged where none had it.
func ended(e *pipeline.PassageEvent) time.Time {
	_, _, _, last := e.Written.Written()
	return later(e.Logged, last)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// gathered keeps the spans that have ended until they are sent: those of one trace are, so
// it is bounded.
type gathered struct{ spans []sdktrace.ReadOnlySpan }

func (g *gathered) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (g *gathered) OnEnd(s sdktrace.ReadOnlySpan)                   { g.spans = append(g.spans, s) }
func (g *gathered) Shutdown(context.Context) error                  { return nil }
func (g *gathered) ForceFlush(context.Context) error                { return nil }

// take returns what was gathered.
func (g *gathered) take() []sdktrace.ReadOnlySpan {
	s := g.spans
	g.spans = nil
	return s
}
