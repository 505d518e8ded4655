package qdrantlocal

import (
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// newConfig checks a request and returns the complete configuration, with the
// server's defaults, as Get reports it. Parameters of things that local mode
// does not need (HNSW, optimizers, write-ahead log, quantization, disks) are
// checked and reported but have no effect: results are always exact.
func newConfig(r *qdrant.CreateCollection) (*qdrant.CollectionConfig, error) {
	if r.GetShardingMethod() == qdrant.ShardingMethod_Custom {
		return nil, unsupported("custom sharding")
	}
	if err := checkVectorsConfig(r); err != nil {
		return nil, err
	}
	if err := firstError(
		checkHnsw(r.GetHnswConfig()), checkOptimizers(r.GetOptimizersConfig()), checkWal(r.GetWalConfig()),
		checkStrict(r.GetStrictModeConfig()), checkPayload(r.GetMetadata()),
	); err != nil {
		return nil, err
	}
	for _, n := range []*uint32{r.ShardNumber, r.ReplicationFactor, r.WriteConsistencyFactor} {
		if n != nil && *n == 0 {
			return nil, status.Error(codes.InvalidArgument, "shard_number, replication_factor and write_consistency_factor must be 1 or larger")
		}
	}
	params := &qdrant.CollectionParams{
		ShardNumber:            orDefault(r.ShardNumber, 1),
		OnDiskPayload:          orDefault(r.OnDiskPayload, true),
		VectorsConfig:          r.GetVectorsConfig(),
		ReplicationFactor:      proto.Uint32(orDefault(r.ReplicationFactor, 1)),
		WriteConsistencyFactor: proto.Uint32(orDefault(r.WriteConsistencyFactor, 1)),
		SparseVectorsConfig:    r.GetSparseVectorsConfig(),
	}
	if r.ShardingMethod != nil {
		params.ShardingMethod = r.ShardingMethod
	}
	if params.VectorsConfig.GetConfig() == nil {
		params.VectorsConfig = &qdrant.VectorsConfig{Config: &qdrant.VectorsConfig_ParamsMap{ParamsMap: &qdrant.VectorParamsMap{}}}
	}
	cfg := &qdrant.CollectionConfig{
		Params: params,
		HnswConfig: &qdrant.HnswConfigDiff{
			M: proto.Uint64(16), EfConstruct: proto.Uint64(100), FullScanThreshold: proto.Uint64(10000),
			MaxIndexingThreads: proto.Uint64(0), OnDisk: proto.Bool(false),
		},
		OptimizerConfig: &qdrant.OptimizersConfigDiff{
			DeletedThreshold: proto.Float64(0.2), VacuumMinVectorNumber: proto.Uint64(1000),
			DefaultSegmentNumber: proto.Uint64(0), IndexingThreshold: proto.Uint64(10000), FlushIntervalSec: proto.Uint64(5),
			MaxOptimizationThreads: &qdrant.MaxOptimizationThreads{
				Variant: &qdrant.MaxOptimizationThreads_Setting_{Setting: qdrant.MaxOptimizationThreads_Auto},
			},
		},
		WalConfig: &qdrant.WalConfigDiff{
			WalCapacityMb: proto.Uint64(32), WalSegmentsAhead: proto.Uint64(0), WalRetainClosed: proto.Uint64(1),
		},
		QuantizationConfig: r.GetQuantizationConfig(),
		StrictModeConfig:   r.GetStrictModeConfig(),
		Metadata:           r.GetMetadata(),
	}
	overlay(cfg.HnswConfig, r.GetHnswConfig())
	overlay(cfg.OptimizerConfig, r.GetOptimizersConfig())
	overlay(cfg.WalConfig, r.GetWalConfig())
	return cfg, nil
}

func orDefault[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// overlay replaces in dst the fields that are set in diff.
func overlay[M proto.Message](dst, diff M) {
	if diff.ProtoReflect().IsValid() {
		proto.Merge(dst, diff)
	}
}

func checkVectorsConfig(r *qdrant.CreateCollection) error {
	for name, p := range denseParams(r.GetVectorsConfig()) {
		if n := p.GetSize(); n < 1 || n > 65536 {
			return status.Errorf(codes.InvalidArgument, "vectors_config: size %d of vector %q invalid, must be from 1 to 65536", n, name)
		}
		if p.GetDistance() == qdrant.Distance_UnknownDistance || qdrant.Distance_name[int32(p.GetDistance())] == "" {
			return malformed("distance parameter: " + p.GetDistance().String())
		}
		if m := p.GetMultivectorConfig(); m != nil && m.GetComparator() != qdrant.MultiVectorComparator_MaxSim {
			return unsupported("this multivector comparator")
		}
		if err := firstError(checkVectorName(name), checkHnsw(p.GetHnswConfig())); err != nil {
			return err
		}
		if _, ok := r.GetSparseVectorsConfig().GetMap()[name]; ok {
			return invalid("Dense and sparse vector names must be unique - duplicate found with '%s'", name)
		}
	}
	for name := range r.GetSparseVectorsConfig().GetMap() {
		if name == "" {
			return invalid("Sparse vector name cannot be empty")
		}
		if err := checkVectorName(name); err != nil {
			return err
		}
	}
	return nil
}

func checkVectorName(name string) error {
	if len(name) > 200 {
		return invalid("Invalid vector name `%s`: must be at most 200 bytes", name)
	}
	if i := strings.IndexAny(name, "<>:\"/\\|?*\x00\x1f"); i >= 0 {
		return invalid("Invalid vector name `%s`: vector name cannot contain %q", name, name[i])
	}
	return nil
}

// atLeast checks an optional number against its lower bound.
func atLeast(field string, v *uint64, low uint64) error {
	if v != nil && *v < low {
		return status.Errorf(codes.InvalidArgument, "%s: value %d invalid, must be %d or larger", field, *v, low)
	}
	return nil
}

func checkHnsw(h *qdrant.HnswConfigDiff) error {
	return atLeast("hnsw_config.ef_construct", efConstruct(h), 4)
}

func checkOptimizers(o *qdrant.OptimizersConfigDiff) error {
	if o == nil {
		return nil
	}
	if d := o.DeletedThreshold; d != nil && !(*d >= 0 && *d <= 1) {
		return status.Errorf(codes.InvalidArgument, "optimizers_config.deleted_threshold: value %v invalid, must be from 0.0 to 1.0", *d)
	}
	return firstError(
		atLeast("optimizers_config.vacuum_min_vector_number", o.VacuumMinVectorNumber, 100),
		atLeast("optimizers_config.max_segment_size", o.MaxSegmentSize, 1),
	)
}

func checkWal(w *qdrant.WalConfigDiff) error {
	if w == nil {
		return nil
	}
	return atLeast("wal_config.wal_capacity_mb", w.WalCapacityMb, 1)
}

func checkUpdate(r *qdrant.UpdateCollection) error {
	return firstError(
		checkNameLength(r.GetCollectionName()), checkHnsw(r.GetHnswConfig()), checkOptimizers(r.GetOptimizersConfig()),
		checkStrict(r.GetStrictModeConfig()), checkPayload(r.GetMetadata()),
	)
}

// updatedConfig returns cfg with the changes of r.
func updatedConfig(cfg *qdrant.CollectionConfig, r *qdrant.UpdateCollection) (*qdrant.CollectionConfig, error) {
	next := proto.CloneOf(cfg)
	overlay(next.HnswConfig, r.GetHnswConfig())
	overlay(next.OptimizerConfig, r.GetOptimizersConfig())
	if p := r.GetParams(); p != nil {
		proto.Merge(next.Params, &qdrant.CollectionParams{
			ReplicationFactor: p.ReplicationFactor, WriteConsistencyFactor: p.WriteConsistencyFactor,
			ReadFanOutFactor: p.ReadFanOutFactor, ReadFanOutDelayMs: p.ReadFanOutDelayMs,
		})
		if p.OnDiskPayload != nil {
			next.Params.OnDiskPayload = *p.OnDiskPayload
		}
	}
	if err := updateVectors(next, r); err != nil {
		return nil, err
	}
	if q := r.GetQuantizationConfig(); q != nil {
		next.QuantizationConfig = quantization(q)
	}
	if st := r.GetStrictModeConfig(); st != nil {
		if next.StrictModeConfig == nil {
			next.StrictModeConfig = &qdrant.StrictModeConfig{}
		}
		proto.Merge(next.StrictModeConfig, st)
		if err := checkStrict(next.StrictModeConfig); err != nil {
			return nil, err
		}
	}
	if len(r.GetMetadata()) > 0 {
		next.Metadata = merged(next.GetMetadata(), r.GetMetadata())
	}
	return next, nil
}

func updateVectors(cfg *qdrant.CollectionConfig, r *qdrant.UpdateCollection) error {
	var diffs map[string]*qdrant.VectorParamsDiff
	switch o := r.GetVectorsConfig().GetConfig().(type) {
	case *qdrant.VectorsConfigDiff_Params:
		diffs = map[string]*qdrant.VectorParamsDiff{"": o.Params}
	case *qdrant.VectorsConfigDiff_ParamsMap:
		diffs = o.ParamsMap.GetMap()
	}
	params := denseParams(cfg.GetParams().GetVectorsConfig())
	for name, d := range diffs {
		p := params[name]
		if p == nil {
			return invalid("Not existing vector name error: %s", name)
		}
		if h := d.GetHnswConfig(); h != nil {
			if p.HnswConfig == nil {
				p.HnswConfig = &qdrant.HnswConfigDiff{}
			}
			proto.Merge(p.HnswConfig, h)
			if proto.Size(h) == 0 { // an empty object unsets
				p.HnswConfig = nil
			}
		}
		if d.OnDisk != nil {
			p.OnDisk = d.OnDisk
		}
		if q := d.GetQuantizationConfig(); q != nil {
			p.QuantizationConfig = quantization(q)
		}
	}
	sparse := cfg.GetParams().GetSparseVectorsConfig().GetMap()
	for name, d := range r.GetSparseVectorsConfig().GetMap() {
		p := sparse[name]
		if p == nil {
			return invalid("Not existing vector name error: %s", name)
		}
		proto.Merge(p, d)
	}
	return nil
}

// quantization returns the configuration that a diff leads to, nil if disabled.
func quantization(d *qdrant.QuantizationConfigDiff) *qdrant.QuantizationConfig {
	switch o := d.GetQuantization().(type) {
	case *qdrant.QuantizationConfigDiff_Scalar:
		return &qdrant.QuantizationConfig{Quantization: &qdrant.QuantizationConfig_Scalar{Scalar: o.Scalar}}
	case *qdrant.QuantizationConfigDiff_Product:
		return &qdrant.QuantizationConfig{Quantization: &qdrant.QuantizationConfig_Product{Product: o.Product}}
	case *qdrant.QuantizationConfigDiff_Binary:
		return &qdrant.QuantizationConfig{Quantization: &qdrant.QuantizationConfig_Binary{Binary: o.Binary}}
	}
	return nil
}

// applyConfig installs an updated configuration.
func (c *collection) applyConfig(cfg *qdrant.CollectionConfig, r *qdrant.UpdateCollection) {
	c.config = cfg
	for name, p := range cfg.GetParams().GetSparseVectorsConfig().GetMap() {
		c.sparse[name].configure(p)
	}
	// The server reports Yellow until segments with the new parameters exist,
	// which is after the next write.
	if r.GetHnswConfig() != nil || r.GetVectorsConfig() != nil || r.GetQuantizationConfig() != nil || r.GetParams() != nil && r.GetParams().OnDiskPayload != nil {
		c.yellow = true
	}
}

func efConstruct(h *qdrant.HnswConfigDiff) *uint64 {
	if h == nil {
		return nil
	}
	return h.EfConstruct
}
