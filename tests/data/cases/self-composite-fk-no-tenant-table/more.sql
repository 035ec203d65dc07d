-- Tenants whose ids no table holds, shared by four tables.
CREATE TABLE dir (id int PRIMARY KEY, tenant_id uuid NOT NULL, parent_id int, name text, UNIQUE (tenant_id, id), FOREIGN KEY (tenant_id, parent_id) REFERENCES dir (tenant_id, id));
CREATE TABLE member (tenant_id uuid NOT NULL, id bigserial, PRIMARY KEY (tenant_id, id));
CREATE TABLE file (id int PRIMARY KEY, tenant_id uuid NOT NULL, dir_id int NOT NULL, owner_id bigint, UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, dir_id) REFERENCES dir (tenant_id, id), FOREIGN KEY (tenant_id, owner_id) REFERENCES member (tenant_id, id));
CREATE TABLE note (id int PRIMARY KEY, tenant_id uuid NOT NULL, file_id int, author_id bigint,
  FOREIGN KEY (tenant_id, file_id) REFERENCES file (tenant_id, id), FOREIGN KEY (tenant_id, author_id) REFERENCES member (tenant_id, id));
CREATE TABLE lone (id int PRIMARY KEY, tenant_id uuid NOT NULL, dir_id int, FOREIGN KEY (tenant_id, dir_id) REFERENCES dir (tenant_id, id));
CREATE TABLE tree (org text NOT NULL, code text NOT NULL, up text, PRIMARY KEY (org, code), FOREIGN KEY (org, up) REFERENCES tree (org, code));
