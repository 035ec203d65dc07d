CREATE INDEX wallets_tokens_idx ON wallets (tokens);
