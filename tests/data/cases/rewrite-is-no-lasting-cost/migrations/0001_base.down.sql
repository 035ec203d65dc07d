DROP TABLE payments, wallets;
