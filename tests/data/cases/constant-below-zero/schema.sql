CREATE TABLE x (id int PRIMARY KEY, delta numeric(10,2) NOT NULL CHECK (delta < 0), loss int NOT NULL CHECK (loss < 0), ratio numeric(3,3) NOT NULL, ratio2 numeric(2,2) NOT NULL, temp int NOT NULL CHECK (temp < 10), slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'));

CREATE TABLE more (id int PRIMARY KEY, delta int CHECK (delta <= -100), small smallint CHECK (small < 0), r numeric(3,3) CHECK (r < 0), big int CHECK (big > 1000000),
  m money CHECK (m < '0'::money), email text UNIQUE NOT NULL CHECK (email ~* '^[^@]+@[^@]+\.[^@]+$'), slug varchar(30) UNIQUE CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
  handle varchar(12) UNIQUE CHECK (handle ~ '^[a-z0-9_]{3,12}$'), day date NOT NULL CHECK (day > '2024-03-04'));
