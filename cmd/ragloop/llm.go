package main

import (
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
// answers where llm.cache is on; done closes the cache.
func (a *app) languageModel() (m chat.Model, done func() error, err error) {
	client, err := a.chatClient()
	if err != nil {
		return nil, nil, err
	}
	if !a.cfg.Config.LLM.Cache {
		return client, func() error { return nil }, nil
	}
	if err := os.MkdirAll(a.cfg.Config.DataDir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("open the answer cache: %w", err)
	}
	cache, err := chat.OpenCache(filepath.Join(a.cfg.Config.DataDir, "answers.db"), client)
	if err != nil {
		return nil, nil, err
	}
	return cache, cache.Close, nil
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
	for _, pair := range a.environ {
		if name, value, _ := strings.Cut(pair, "="); name == variable && value != "" {
			return value, nil
		}
	}
	return "", &config.Error{Key: key, Origin: a.cfg.Origin[key], Problem: fmt.Sprintf("names the environment variable %s, which is not set or empty", variable)}
}

// estimator returns what counts the cost of requests to m.
func (a *app) estimator(m chat.Model) (*chat.Estimator, error) {
	counter, err := tokens.New(a.cfg.Config.LLM.Tokenizer)
	if err != nil {
		return nil, &config.Error{Key: "llm.tokenizer", Origin: a.cfg.Origin["llm.tokenizer"], Problem: "is not allowed: " + err.Error()}
	}
	return chat.NewEstimator(m, counter), nil
}
