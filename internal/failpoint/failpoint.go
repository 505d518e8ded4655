// Package failpoint names the steps between which a process may die, so that a
// test can make it die at each of them.
//
// It is not fault injection for production: without the build tag "failpoint"
// every call of [Hit] compiles to nothing. With the tag, the environment variable
// RAGLOOP_FAILPOINT=name:n makes the process kill itself (SIGKILL: no deferred
// call, no signal handler runs) when it comes to the named step for the n-th
// time.
//
// A [Point] is a step; its name says what has just been done. [Points] lists all
// of them, so that a test can prove that it comes to each.
package failpoint

// Env is the environment variable that arms a point.
const Env = "RAGLOOP_FAILPOINT"

// Point is a step of the commit order or of the log underneath.
type Point uint8

// The steps of one document batch, of a generation and of the worker.
const (
	ChunksNext       Point = iota // nothing of a batch is stored
	BatchUpserted                 // one request of chunks or records, out of perhaps several
	ChunksStored                  // all chunks of a batch, no record
	RecordsStored                 // the switch; old revisions are still there
	SupersededGone                // the batch is complete, nobody knows
	ChunksRelabelled              // chunks have new labels, their records have not
	RecordsUpdated                // records replaced
	DeletedRecords                // records gone, their chunks still there
	DeletedChunks                 // documents removed, nobody knows
	StaleDeleted                  // a repair removed what no record names
	RecordsMade                   // of a new generation: the collection of its records
	RecordsIndexed                // and its payload indexes
	ChunksMade                    // the collection of its chunks, with the recipe
	IndexMade                     // one payload index, of either collection
	AliasNext                     // a generation is complete, the alias still as it was
	AliasSwitched                 // the generation is served, nobody knows
	CollectionGone                // one of several collections that are dropped
	BatchEmbedded                 // vectors are made, nothing is stored
	BatchCommitted                // everything is durable, no event was sent
	PruneNext                     // all of a source is stored, what it lacks is still there
	GenerationFilled              // all of a source is in the new generation
)

// The steps of the log and its checkpoints.
const (
	UpdateApplied     Point = GenerationFilled + 1 + iota // in memory, not in the file
	LogWritten                                            // in the file, not synced
	LogSynced                                             // durable, not acknowledged
	LogMade                                               // a new log file without its header
	LogHeaderWritten                                      // its header, not synced
	LogReady                                              // durable with its directory entry
	LogRotated                                            // updates go to a new log that no manifest names
	TornCut                                               // a torn tail was cut, not synced
	CheckpointMade                                        // an empty checkpoint file
	CheckpointWritten                                     // its content, not synced
	CheckpointSynced                                      // durable, but no manifest names it
	ManifestWritten                                       // the new manifest beside the old one, not synced
	ManifestSynced                                        // durable beside the old one
	ManifestRenamed                                       // in its place, the directory not synced
	ManifestReady                                         // in its place, durable; replaced files are still there
	StaleRemoved                                          // one of the files that a checkpoint replaced
	points                                                // their number
)

var names = [points]string{
	ChunksNext:        "chunks-next",
	BatchUpserted:     "batch-upserted",
	ChunksStored:      "chunks-stored",
	RecordsStored:     "records-stored",
	SupersededGone:    "superseded-gone",
	ChunksRelabelled:  "chunks-relabelled",
	RecordsUpdated:    "records-updated",
	DeletedRecords:    "deleted-records",
	DeletedChunks:     "deleted-chunks",
	StaleDeleted:      "stale-deleted",
	RecordsMade:       "records-made",
	RecordsIndexed:    "records-indexed",
	ChunksMade:        "chunks-made",
	IndexMade:         "index-made",
	AliasNext:         "alias-next",
	AliasSwitched:     "alias-switched",
	CollectionGone:    "collection-gone",
	BatchEmbedded:     "batch-embedded",
	BatchCommitted:    "batch-committed",
	PruneNext:         "prune-next",
	GenerationFilled:  "generation-filled",
	UpdateApplied:     "update-applied",
	LogWritten:        "log-written",
	LogSynced:         "log-synced",
	LogMade:           "log-made",
	LogHeaderWritten:  "log-header-written",
	LogReady:          "log-ready",
	LogRotated:        "log-rotated",
	TornCut:           "torn-cut",
	CheckpointMade:    "checkpoint-made",
	CheckpointWritten: "checkpoint-written",
	CheckpointSynced:  "checkpoint-synced",
	ManifestWritten:   "manifest-written",
	ManifestSynced:    "manifest-synced",
	ManifestRenamed:   "manifest-renamed",
	ManifestReady:     "manifest-ready",
	StaleRemoved:      "stale-removed",
}

// String returns the name of p, as the environment variable takes it.
func (p Point) String() string {
	if p >= points {
		return "unknown"
	}
	return names[p]
}

// Points returns all points, in the order of their declaration.
func Points() []Point {
	out := make([]Point, points)
	for i := range out {
		out[i] = Point(i)
	}
	return out
}
