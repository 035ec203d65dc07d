-- A legacy system: quoted and mixed-case names, names with spaces, natural keys, char(n), many CHECKs.
CREATE TABLE "tblRegion" ("Code" char(3) PRIMARY KEY CHECK ("Code" ~ '^[A-Z]{3}$'), "Region Name" varchar(30) NOT NULL);
CREATE TABLE "tblCustomer" (
    "Cust No"    char(8) PRIMARY KEY,
    "RegionCode" char(3) NOT NULL REFERENCES "tblRegion",
    "CustName"   varchar(30) NOT NULL CHECK ("CustName" <> ''),
    "Rating"     char(1) NOT NULL DEFAULT 'C' CHECK ("Rating" IN ('A', 'B', 'C')),
    "CreditLim"  numeric(9, 2) CHECK ("CreditLim" >= 0 AND "CreditLim" < 50000),
    "Active?"    smallint NOT NULL CHECK ("Active?" IN (0, 1)),
    "EntryDate"  date NOT NULL,
    "ExitDate"   date,
    CHECK ("ExitDate" >= "EntryDate")
);
CREATE TABLE "tblInvoice" (
    "InvYear"   smallint NOT NULL CHECK ("InvYear" BETWEEN 1990 AND 2030),
    "InvNo"     integer NOT NULL CHECK ("InvNo" > 0),
    "Cust No"   char(8) NOT NULL REFERENCES "tblCustomer",
    "Amount"    numeric(12, 2) NOT NULL,
    "Discount"  numeric(12, 2) NOT NULL CHECK ("Discount" >= 0),
    "PaidFlag"  char(1) NOT NULL CHECK ("PaidFlag" = ANY (ARRAY['Y', 'N'])),
    "PaidDate"  date,
    PRIMARY KEY ("InvYear", "InvNo"),
    CHECK ("Discount" <= "Amount"),
    CHECK (("PaidFlag" = 'Y' AND "PaidDate" IS NOT NULL) OR ("PaidFlag" = 'N' AND "PaidDate" IS NULL))
);
CREATE TABLE "tblInvoiceLine" (
    "InvYear" smallint NOT NULL,
    "InvNo"   integer NOT NULL,
    "Line"    smallint NOT NULL,
    "Item"    varchar(15) NOT NULL CHECK ("Item" LIKE 'IT-%'),
    "Qty"     numeric(5, 1) NOT NULL CHECK ("Qty" <> 0),
    PRIMARY KEY ("InvYear", "InvNo", "Line"),
    FOREIGN KEY ("InvYear", "InvNo") REFERENCES "tblInvoice"
);
CREATE TABLE "tblStatus" ("Id" smallint PRIMARY KEY, "Label" varchar(4) NOT NULL UNIQUE, "Sort" integer UNIQUE);
CREATE TABLE "tblNote" (
    "Id"     serial PRIMARY KEY,
    "Parent" integer REFERENCES "tblNote",
    "Cust No" char(8) NOT NULL REFERENCES "tblCustomer",
    "Status" smallint REFERENCES "tblStatus",
    "User"   name NOT NULL,
    "Text"   text NOT NULL CHECK (length(btrim("Text")) > 0)
);
