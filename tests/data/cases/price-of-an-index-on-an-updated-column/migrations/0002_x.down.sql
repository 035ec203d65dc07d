DROP INDEX wallets_tokens_idx;
