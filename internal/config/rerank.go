package config

import "fmt"

// setRerankDefaults fills in what depends on the kind or on other settings,
// unless it was set.
func (l *Loaded) setRerankDefaults() {
	r, d := &l.Config.Retrieve.Rerank, l.rerankDefaults()
	if l.Origin["retrieve.rerank.depth"] == OriginDefault {
		r.Depth = d.Depth
	}
	if l.Origin["retrieve.rerank.weight"] == OriginDefault {
		r.Weight = d.Weight
	}
}

// rerankDefaults returns the defaults of the configured kind. The depth is never
// above the number of candidates.
func (l *Loaded) rerankDefaults() Rerank {
	r := Default().Retrieve.Rerank
	if l.Config.Retrieve.Rerank.Kind == Late { // measured on SciFact, Cranfield and CLAPNQ
		r.Depth, r.Weight = 50, 0.7
	}
	r.Depth = min(r.Depth, l.Config.Retrieve.Candidates)
	return r
}

// rerankRules checks the settings of the reranker. One that the kind does not
// use would do nothing: it is refused instead of ignored.
func (l *Loaded) rerankRules() []rule {
	r, d, candidates := l.Config.Retrieve.Rerank, l.rerankDefaults(), l.Config.Retrieve.Candidates
	rules := []rule{
		oneOf("retrieve.rerank.kind", r.Kind, CrossEncoder, HTTPReranker, Late),
		{"retrieve.rerank.depth", 1 <= r.Depth && r.Depth <= candidates, fmt.Sprintf("is %d, allowed are 1 to %d (retrieve.candidates)", r.Depth, candidates)},
		{"retrieve.rerank.weight", r.Weight > 0 && r.Weight <= 1, fmt.Sprintf("is %v, allowed are above 0 to 1", r.Weight)},
	}
	const off = "is set, but without retrieve.rerank.model or another retrieve.rerank.kind nothing is reranked"
	if !r.On() {
		rules = append(rules, rule{"retrieve.rerank.depth", r.Depth == d.Depth, off}, rule{"retrieve.rerank.weight", r.Weight == d.Weight, off})
	}
	rules = append(rules,
		rule{"retrieve.rerank.model", r.Kind != Late || r.Model == "", "is set, but retrieve.rerank.kind: late uses the embedding model"},
		rule{"retrieve.rerank.cache_mb", r.Kind == Late || r.CacheMB == d.CacheMB, "is set, but only retrieve.rerank.kind: late uses it"},
		between("retrieve.rerank.cache_mb", r.CacheMB, 0, 1<<20))
	if r.Kind == HTTPReranker {
		const needed = "is empty, retrieve.rerank.kind: http needs it"
		return append(rules,
			rule{"retrieve.rerank.url", r.URL != "", needed},
			rule{"retrieve.rerank.model", r.Model != "", needed},
			oneOf("retrieve.rerank.api", r.API, "cohere", "tei"),
			positive("retrieve.rerank.timeout", r.Timeout),
			keyVariable("retrieve.rerank.api_key_env", r.APIKeyEnv))
	}
	for _, o := range []struct {
		name  string
		unset bool
	}{
		{"url", r.URL == d.URL}, {"api", r.API == d.API}, {"api_key_env", r.APIKeyEnv == d.APIKeyEnv}, {"timeout", r.Timeout == d.Timeout},
	} {
		rules = append(rules, rule{"retrieve.rerank." + o.name, o.unset, "is set, but only retrieve.rerank.kind: http uses it"})
	}
	return rules
}
