package telemetry

// Names of the metrics. Units are in the names: seconds, bytes, tokens; a
// counter ends in _total.
const (
	// MetricBuildInfo is 1; its labels say what is running.
	MetricBuildInfo = "ragloop_build_info"

	// MetricRequests counts the calls of ragloop's own services that ended, those
	// that were refused too, by method and code.
	MetricRequests = "ragloop_requests_total"
	// MetricRequestDuration is the time of a call from its admission's begin, waiting
	// included, to its answer or error. Calls that were refused are not in it: they
	// would make an overload look fast.
	MetricRequestDuration = "ragloop_request_duration_seconds"
	// MetricStageDuration is the time of one stage of an answered Retrieve or Search.
	MetricStageDuration = "ragloop_stage_duration_seconds"

	// MetricAdmissionLimit is how many calls of a class may be at work at once now.
	MetricAdmissionLimit = "ragloop_admission_limit"
	// MetricAdmissionRunning is how many calls of a class are at work.
	MetricAdmissionRunning = "ragloop_admission_running"
	// MetricAdmissionAway is how many calls of a class wait for another machine, such
	// as a reranker's. They are not at work.
	MetricAdmissionAway = "ragloop_admission_away"
	// MetricAdmissionWaiting is how many calls of a class wait for their turn.
	MetricAdmissionWaiting = "ragloop_admission_waiting"
	// MetricRefused counts the calls that were not let in, by class and reason.
	MetricRefused = "ragloop_admission_refused_total"

	// MetricDegraded counts, by part, what answers had to do without. An answer that
	// misses two parts counts for both.
	MetricDegraded = "ragloop_degraded_answers_total"
	// MetricEmpty counts the answers in which nothing was found.
	MetricEmpty = "ragloop_empty_answers_total"
	// MetricContextTokens counts the tokens of delivered contexts.
	MetricContextTokens = "ragloop_context_tokens_total"
	// MetricContextBudget counts the tokens that the same contexts might have had.
	MetricContextBudget = "ragloop_context_budget_tokens_total"

	// MetricQueryCache counts lookups of query vectors by result.
	MetricQueryCache = "ragloop_query_cache_lookups_total"
	// MetricQueryCacheBytes is the memory that kept query vectors take, about.
	MetricQueryCacheBytes = "ragloop_query_cache_bytes"
	// MetricQueryCacheVectors is how many query vectors are kept.
	MetricQueryCacheVectors = "ragloop_query_cache_vectors"

	// MetricEmbeddingDuration is the time of one call of the embedder, which may be
	// for many passages, by task. What the query cache knows makes no call.
	MetricEmbeddingDuration = "ragloop_embedding_duration_seconds"
	// MetricEmbeddedTexts counts the texts that were embedded, by task.
	MetricEmbeddedTexts = "ragloop_embedded_texts_total"
	// MetricEmbeddingErrors counts the calls of the embedder that failed, by task.
	// Those whose caller gave up are among them.
	MetricEmbeddingErrors = "ragloop_embedding_errors_total"

	// MetricIngestDocuments counts the documents that came over the wire by what
	// became of them.
	MetricIngestDocuments = "ragloop_ingest_documents_total"
	// MetricIngestChunks counts the chunks of documents that were indexed or replaced.
	MetricIngestChunks = "ragloop_ingest_chunks_total"

	// MetricIndexChunks is how many chunks a collection holds, of this tenant. It is
	// absent while the index cannot be asked.
	MetricIndexChunks = "ragloop_index_chunks"
	// MetricIndexGeneration is the number of the generation that a collection serves.
	MetricIndexGeneration = "ragloop_index_generation"

	// MetricSpans counts the spans that were handed to the collector, by result.
	MetricSpans = "ragloop_trace_spans_total"
)

// Names of the labels. The values of each are a closed set, but for LabelCollection,
// of which there are as many as collections that were asked for and exist.
const (
	LabelMethod     = "method"     // "Retrieve", "PutDocument": a method of ragloop.v1
	LabelCode       = "code"       // of gRPC: "OK", "RESOURCE_EXHAUSTED"
	LabelStage      = "stage"      // "embed", "legs", "pack": as in the response
	LabelClass      = "class"      // ClassSearch or ClassIngestion: they are admitted apart
	LabelReason     = "reason"     // ReasonBusy or ReasonLate
	LabelPart       = "part"       // "dense", "rerank": what an answer had to do without; PartOther
	LabelResult     = "result"     // of a cache: ResultHit …; of an export: ResultExported …
	LabelTask       = "task"       // "query", "passage", "raw"
	LabelOutcome    = "outcome"    // "indexed", "replaced", "unchanged", "removed", "failed", "quarantined", OutcomeError
	LabelCollection = "collection" // name
	LabelVersion    = "version"    // of ragloop
	LabelGoVersion  = "go_version" // "go1.26.0"
)

// ExemplarTrace is the label of exemplars: the id of a trace. Prometheus keeps one
// for each bucket of MetricRequestDuration.
const ExemplarTrace = "trace_id"

// Values of labels that this package gives.
const (
	ClassSearch    = "search"    // the service Retrieval
	ClassIngestion = "ingestion" // Ingestion and Feedback

	ReasonBusy = "busy" // as many calls as there may be are at work and wait
	ReasonLate = "late" // the call has less time left than one takes

	ResultHit    = "hit"    // the vector was known
	ResultShared = "shared" // it was being embedded for another caller
	ResultMiss   = "miss"   // it was embedded

	ResultExported = "exported"
	ResultLost     = "lost" // the collector could not be reached or refused

	PartOther = "other" // a part that has no name of its own

	OutcomeError = "error" // the index or the embedder failed, or the caller gave up; the document was not to blame
)

// Names of spans. That of a call is the method's, "ragloop.v1.Retrieval/Retrieve",
// as OpenTelemetry's conventions for RPC have it; those of its children are this
// prefix and the name of a stage: "ragloop.embed". A stage that ran several times
// has one span, as long as all of them together.
const SpanStagePrefix = "ragloop."

// Names of the attributes of spans, beside those of OpenTelemetry's conventions.
// None holds text of a query or a document.
const (
	AttrCollection  = "ragloop.collection"            // string, on the span of a call: the name
	AttrGeneration  = "ragloop.generation"            // int
	AttrRetrievalID = "ragloop.retrieval_id"          // string: what feedback refers to
	AttrDegraded    = "ragloop.degraded"              // strings: parts, as LabelPart; absent where the answer is complete
	AttrBudget      = "ragloop.context.budget_tokens" // int, of Retrieve
	AttrTokens      = "ragloop.context.tokens"        // int, of Retrieve, and on the stage "pack"
	AttrCandidates  = "ragloop.candidates"            // int, on the stages "legs" and "fuse": visible candidates of all legs
	AttrChunks      = "ragloop.chunks"                // int, on the span of a call and the stage "fuse": what is left of them
	AttrReranked    = "ragloop.reranked"              // int, on the stage "rerank"
	AttrSegments    = "ragloop.segments"              // int, on the stage "pack"
	AttrDropped     = "ragloop.dropped"               // int, on the stage "pack": ranked chunks that are not in the context
)
