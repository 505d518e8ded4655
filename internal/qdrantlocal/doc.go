// Package qdrantlocal is Qdrant's gRPC API in process: the services Qdrant,
// Collections and Points over a data directory, for one process at a time. An
// unmodified go-client reaches it through [Store.Connect], any Qdrant client
// through a server of [Store.NewServer].
//
// It is not a vector database for large data: everything is in memory, searches
// are exact scans, there is one shard and no access control. Up to some 50,000
// chunks a search takes milliseconds; use a Qdrant server above that.
//
// # Behaviour
//
// Answers are those of Qdrant 1.18.3, which a replay of recorded calls checks.
// What is not implemented is refused with Unimplemented and its name, never
// ignored; that includes request fields of newer protocol versions. Not
// implemented are the methods that Query replaced (Search, Recommend, Discover
// and their batches and groups), distance matrices, snapshots, custom sharding
// and cluster setup, and inference other than BM25; of text analysis the
// multilingual tokenizer, ASCII folding and some languages; of strict mode
// rate, size and vector length limits. Parameters of what an exact search does
// not need (HNSW, quantization, datatypes of sparse indexes, optimizers, disks)
// are stored and reported but change no result.
//
// Where the server's order is arbitrary, here it is fixed: equal scores and
// equal order values come by ascending id, numbers before UUIDs; equal fused
// scores by best rank, then earlier list, then id. Deliberate differences: IDF
// counts live points only, a batch of points is checked completely before any
// is stored, and "." and ".." are no collection names. What the server forgets
// when it optimises (values without points in facets, deleted sparse vectors in
// indexed_vectors_count, a Yellow status) is forgotten when a checkpoint is
// loaded.
//
// # Nouns
//
// A collection keeps points in slots, small numbers that are reused. Dense
// vectors of one name lie in one array by slot, with coarse copies beside them
// that spare a scan most of them, sparse vectors also in an inverted index,
// payloads as they came in, and field indexes map payload values to slots. A filter is evaluated on sets of slots, by indexes first; an
// index also decides what a condition means, as on the server.
//
// A change is a checked update. It is logged as a record, applied under the
// collection's lock and acknowledged when the record is in the file and, with
// wait=true, synced; writers that wait at the same time share an fsync. Readers
// never wait for the disk, and may see an update before it is acknowledged.
// Filters are resolved to ids before anything is logged, so that replaying does
// not depend on them.
//
// # Stored layout
//
// A data directory holds LOCK (flock), MANIFEST (JSON with a checksum, replaced
// atomically), at most one checkpoint and the logs since. Log and checkpoint
// are files of records, each framed by its length and CRC-32C; a body is the
// operation, the collection's name and a protobuf message of the API. Opening
// cuts an incomplete last record, which was never acknowledged: one that ends
// early or lacks pages that were never written. It refuses everything else that
// is not what was written with a [DamageError]. After a failed write or fsync
// the store is read-only until it is opened again. A checkpoint is made when
// less than half of the stored bytes is live.
package qdrantlocal
