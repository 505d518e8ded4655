package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// remoteRules are those of the language model and the entailment classifier.
// Without an address their other settings would do nothing, which is said
// instead of ignoring them.
func remoteRules(c Config) []rule {
	def := Default()
	if c.LLM.BaseURL == "" {
		return append(withoutEffect("llm", "base_url", c.LLM, def.LLM), nliRules(c.NLI, def.NLI)...)
	}
	rules := []rule{
		{"llm.model", c.LLM.Model != "", "is empty, llm.base_url needs it"},
		oneOf("llm.structured", c.LLM.Structured, "schema", "object-schema", "object", "prompt"),
		oneOf("llm.limit_field", c.LLM.LimitField, "max_tokens", "max_completion_tokens"),
		positive("llm.timeout", c.LLM.Timeout),
		between("llm.concurrency", c.LLM.Concurrency, 1, 256),
		notEmpty("llm.tokenizer", c.LLM.Tokenizer),
		keyVariable("llm.api_key_env", c.LLM.APIKeyEnv),
	}
	for _, field := range c.LLM.Omit {
		rules = append(rules, rule{"llm.omit", slices.Contains([]string{"seed", "system", "temperature"}, field), fmt.Sprintf("has %q, allowed are seed, system, temperature", field)})
	}
	return append(rules, nliRules(c.NLI, def.NLI)...)
}

func nliRules(c, def NLI) []rule {
	if c.URL == "" {
		return withoutEffect("nli", "url", c, def)
	}
	n := len(c.Labels)
	distinct := slices.Compact(slices.Sorted(slices.Values(c.Labels)))
	return []rule{
		oneOf("nli.shape", c.Shape, "tei", "hf"),
		{"nli.labels", (n == 2 || n == 3) && len(distinct) == n && distinct[0] != "",
			fmt.Sprintf("is %q, want two or three different names", strings.Join(c.Labels, ","))},
		positive("nli.timeout", c.Timeout),
		between("nli.batch_pairs", c.BatchPairs, 1, 1024),
		{"nli.batch_pairs", c.Shape == "tei" || c.BatchPairs == def.BatchPairs, "is set, but nli.shape hf sends one pair a request"},
		keyVariable("nli.api_key_env", c.APIKeyEnv),
	}
}

// keyVariable refuses what cannot be the name of a variable, above all the key
// itself, which does not belong into a file, nor into a message.
func keyVariable(key, name string) rule {
	bad := strings.ContainsFunc(name, func(r rune) bool {
		return !(r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	})
	switch {
	case bad:
		return rule{key, false, "is no name of an environment variable: letters, digits and \"_\" are allowed"}
	case strings.HasPrefix(name, envPrefix):
		return rule{key, false, fmt.Sprintf("is %s, but variables with %s are configuration keys; choose another name", name, envPrefix)}
	}
	return rule{key: key, ok: true}
}

// withoutEffect returns a rule for each setting of a section but that named
// address: it must be what it is by default.
func withoutEffect[S any](section, address string, got, def S) []rule {
	var rules []rule
	g, d := reflect.ValueOf(got), reflect.ValueOf(def)
	for i := range g.NumField() {
		name := g.Type().Field(i).Tag.Get("yaml")
		if name == address {
			continue
		}
		rules = append(rules, rule{
			section + "." + name, reflect.DeepEqual(g.Field(i).Interface(), d.Field(i).Interface()),
			fmt.Sprintf("is set, but without %s.%s nothing uses it", section, address),
		})
	}
	return rules
}
