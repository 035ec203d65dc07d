module example.com/bank
