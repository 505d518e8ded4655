package telemetry

import (
	"context"
	"log/slog"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// reporting is an exporter that counts what becomes of spans and tells once that
// they are lost, instead of leaving it, again and again, to a handler of errors that
// the whole process shares.
type reporting struct {
	sdk.SpanExporter
	metrics *Metrics
	log     *slog.Logger
	losing  atomic.Bool
}

// ExportSpans implements [sdk.SpanExporter]. It does not fail.
func (r *reporting) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := r.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		r.metrics.exported(ResultLost, len(spans))
		if !r.losing.Swap(true) {
			r.log.Warn("traces are lost; this is said once", "error", err)
		}
		return nil
	}
	r.metrics.exported(ResultExported, len(spans))
	if r.losing.Swap(false) {
		r.log.Info("traces reach the collector again")
	}
	return nil
}
