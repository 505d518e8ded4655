package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/config"
	"github.com/ragloop/ragloop/internal/tokens"
)

// errNoModel: a command needs a language model and none is configured.
var errNoModel = errors.New("no language model is configured: set llm.base_url and llm.model")

// languageModel returns the configured language model, behind the cache of
// answers where llm.cache is on.
func (a *app) languageModel() (chat.Model, error) {
	client, err := a.chatClient()
	if err != nil {
		return nil, err
	}
	return a.remembering(client)
}

// modelAt returns the language model that answers at the address of f, behind the
// same cache. Of the configuration it takes what is no endpoint's own, and never
// the key: that is for llm.base_url.
func (a *app) modelAt(f answererFlags) (chat.Model, error) {
	key := ""
	if f.keyEnv != "" {
		var ok bool
		if key, ok = a.environment(f.keyEnv); !ok {
			return nil, fmt.Errorf("--answerer-key-env names the environment variable %s, which is not set or empty", f.keyEnv)
		}
	}
	c := a.cfg.Config.LLM
	model := cmp.Or(f.model, c.Model)
	if model == "" {
		return nil, errors.New("no model is named: give --answerer-model or set llm.model")
	}
	client, err := chat.NewClient(chat.Config{
		BaseURL: f.name, Model: model, APIKey: key, Omit: c.Omit, LimitField: c.LimitField,
		Timeout: c.Timeout, Concurrency: c.Concurrency, ByAddress: true,
	})
	if err != nil {
		return nil, err
	}
	return a.remembering(client)
}

// remembering puts the cache of answers in front of m where llm.cache is on.
func (a *app) remembering(m chat.Model) (chat.Model, error) {
	if !a.cfg.Config.LLM.Cache {
		return m, nil
	}
	store, err := a.answerStore()
	if err != nil {
		return nil, err
	}
	return chat.NewCache(store, m), nil
}

// answerStore returns what keeps the answers of remote models, one for the whole
// command: the file can be open once.
func (a *app) answerStore() (*chat.Store, error) {
	if a.store == nil {
		if err := os.MkdirAll(a.cfg.Config.DataDir, 0o755); err != nil {
			return nil, fmt.Errorf("open the answer cache: %w", err)
		}
		store, err := chat.OpenStore(filepath.Join(a.cfg.Config.DataDir, "answers.db"), func(err error) {
			a.log.Warn("answer cache: what it had is asked again where it is needed", "error", err)
		})
		if err != nil {
			return nil, err
		}
		a.store = store
	}
	return a.store, nil
}

// closeStore closes the store. What is in it is written already: an error costs
// nothing.
func (a *app) closeStore() {
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			a.log.Warn("close the answer cache", "error", err)
		}
	}
}

// chatClient returns the configured language model without its cache.
func (a *app) chatClient() (*chat.Client, error) {
	c := a.cfg.Config.LLM
	if c.BaseURL == "" {
		return nil, errNoModel
	}
	key, err := a.secret("llm.api_key_env", c.APIKeyEnv)
	if err != nil {
		return nil, err
	}
	return chat.NewClient(chat.Config{
		BaseURL: c.BaseURL, Model: c.Model, APIKey: key, Structured: c.Structured, Omit: c.Omit,
		LimitField: c.LimitField, Timeout: c.Timeout, Concurrency: c.Concurrency,
	})
}

// secret returns the value of the environment variable that a key names; an
// empty name stands for no secret.
func (a *app) secret(key, variable string) (string, error) {
	if variable == "" {
		return "", nil
	}
	if value, ok := a.environment(variable); ok {
		return value, nil
	}
	return "", &config.Error{Key: key, Origin: a.cfg.Origin[key], Problem: fmt.Sprintf("names the environment variable %s, which is not set or empty", variable)}
}

// environment returns the value of an environment variable; false: it is not set,
// or empty.
func (a *app) environment(variable string) (string, bool) {
	for _, pair := range a.environ {
		if name, value, _ := strings.Cut(pair, "="); name == variable && value != "" {
			return value, true
		}
	}
	return "", false
}

// estimator returns what counts the cost of requests to m.
func (a *app) estimator(m chat.Model) (*chat.Estimator, error) {
	counter, err := tokens.New(a.cfg.Config.LLM.Tokenizer)
	if err != nil {
		return nil, &config.Error{Key: "llm.tokenizer", Origin: a.cfg.Origin["llm.tokenizer"], Problem: "is not allowed: " + err.Error()}
	}
	return chat.NewEstimator(m, counter), nil
}
