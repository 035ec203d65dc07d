//! The kinds of objects that CREATE, ALTER, DROP, COMMENT and GRANT are about. Must name each as PostgreSQL's
//! reference does.

use squawk_syntax::SyntaxKind;

/// What a command does to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// `CREATE`.
    Create,
    /// `ALTER`.
    Alter,
    /// `DROP`.
    Drop,
}

/// Declares the kinds of objects: words in SQL, and the parser's names of what creates, alters, drops and mentions one.
macro_rules! objects {
    ($($object:ident $words:literal $create:tt $alter:tt $drop:tt $mention:tt)*) => {
        /// A kind of object.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Object {
            $(#[doc = concat!("What SQL calls ", $words, ".")] $object,)*
        }

        impl Object {
            /// Its words in SQL, in lower case.
            #[must_use]
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$object => $words,)*
                }
            }

            const KINDS: &[(Self, [&[SyntaxKind]; 4])] =
                &[$((Self::$object, [kinds!($create), kinds!($alter), kinds!($drop), kinds!($mention)]),)*];
        }
    };
}

macro_rules! kinds {
    ([$($kind:ident)*]) => {
        &[$(SyntaxKind::$kind),*]
    };
}

impl Object {
    /// What the command of this node does, and to which kind of object.
    pub(super) fn of_command(kind: SyntaxKind) -> Option<(Verb, Self)> {
        Self::KINDS.iter().find_map(|(object, kinds)| {
            let verbs = [Verb::Create, Verb::Alter, Verb::Drop].into_iter().zip(kinds);
            verbs.into_iter().find(|(_, kinds)| kinds.contains(&kind)).map(|(verb, _)| (verb, *object))
        })
    }

    /// The kind of object that a node of COMMENT or GRANT mentions.
    pub(super) fn mentioned(kind: SyntaxKind) -> Option<Self> {
        Self::KINDS.iter().find(|(_, kinds)| kinds[3].contains(&kind)).map(|(object, _)| *object)
    }
}

objects! {
    AccessMethod "access method" [CREATE_ACCESS_METHOD] [] [DROP_ACCESS_METHOD] [OBJECT_ACCESS_METHOD]
    Aggregate "aggregate" [CREATE_AGGREGATE] [ALTER_AGGREGATE] [DROP_AGGREGATE] [OBJECT_AGGREGATE]
    Cast "cast" [CREATE_CAST] [] [DROP_CAST] [OBJECT_CAST]
    Collation "collation" [CREATE_COLLATION] [ALTER_COLLATION] [DROP_COLLATION] [OBJECT_COLLATION]
    Conversion "conversion" [CREATE_CONVERSION] [ALTER_CONVERSION] [DROP_CONVERSION] [OBJECT_CONVERSION]
    Database "database" [CREATE_DATABASE] [ALTER_DATABASE] [DROP_DATABASE] [OBJECT_DATABASE PRIVILEGE_DATABASE]
    Domain "domain" [CREATE_DOMAIN] [ALTER_DOMAIN] [DROP_DOMAIN] [OBJECT_DOMAIN PRIVILEGE_DOMAIN]
    EventTrigger "event trigger" [CREATE_EVENT_TRIGGER] [ALTER_EVENT_TRIGGER] [DROP_EVENT_TRIGGER]
        [OBJECT_EVENT_TRIGGER]
    Extension "extension" [CREATE_EXTENSION] [ALTER_EXTENSION] [DROP_EXTENSION] [OBJECT_EXTENSION]
    ForeignDataWrapper "foreign data wrapper" [CREATE_FOREIGN_DATA_WRAPPER] [ALTER_FOREIGN_DATA_WRAPPER]
        [DROP_FOREIGN_DATA_WRAPPER]
        [OBJECT_FOREIGN_DATA_WRAPPER PRIVILEGE_FOREIGN_DATA_WRAPPER]
    ForeignTable "foreign table" [CREATE_FOREIGN_TABLE] [ALTER_FOREIGN_TABLE] [DROP_FOREIGN_TABLE]
        [OBJECT_FOREIGN_TABLE]
    Function "function" [CREATE_FUNCTION] [ALTER_FUNCTION] [DROP_FUNCTION]
        [OBJECT_FUNCTION PRIVILEGE_FUNCTION PRIVILEGE_ALL_FUNCTIONS_IN_SCHEMA]
    Index "index" [CREATE_INDEX] [ALTER_INDEX] [DROP_INDEX] [OBJECT_INDEX]
    Language "language" [CREATE_LANGUAGE] [ALTER_LANGUAGE] [DROP_LANGUAGE] [OBJECT_LANGUAGE PRIVILEGE_LANGUAGE]
    LargeObject "large object" [] [ALTER_LARGE_OBJECT] [] [OBJECT_LARGE_OBJECT PRIVILEGE_LARGE_OBJECT]
    MaterializedView "materialized view" [CREATE_MATERIALIZED_VIEW] [ALTER_MATERIALIZED_VIEW] [DROP_MATERIALIZED_VIEW]
        [OBJECT_MATERIALIZED_VIEW]
    Operator "operator" [CREATE_OPERATOR] [ALTER_OPERATOR] [DROP_OPERATOR] [OBJECT_OPERATOR]
    OperatorClass "operator class" [CREATE_OPERATOR_CLASS] [ALTER_OPERATOR_CLASS] [DROP_OPERATOR_CLASS]
        [OBJECT_OPERATOR_CLASS]
    OperatorFamily "operator family" [CREATE_OPERATOR_FAMILY] [ALTER_OPERATOR_FAMILY] [DROP_OPERATOR_FAMILY]
        [OBJECT_OPERATOR_FAMILY]
    Parameter "parameter" [] [] [] [PRIVILEGE_PARAMETER]
    Policy "policy" [CREATE_POLICY] [ALTER_POLICY] [DROP_POLICY] [OBJECT_POLICY]
    Procedure "procedure" [CREATE_PROCEDURE] [ALTER_PROCEDURE] [DROP_PROCEDURE]
        [OBJECT_PROCEDURE PRIVILEGE_PROCEDURE PRIVILEGE_ALL_PROCEDURES_IN_SCHEMA]
    PropertyGraph "property graph" [CREATE_PROPERTY_GRAPH] [ALTER_PROPERTY_GRAPH] [DROP_PROPERTY_GRAPH]
        [OBJECT_PROPERTY_GRAPH]
    Publication "publication" [CREATE_PUBLICATION] [ALTER_PUBLICATION] [DROP_PUBLICATION] [OBJECT_PUBLICATION]
    Role "role" [CREATE_ROLE CREATE_USER CREATE_GROUP] [ALTER_ROLE ALTER_USER ALTER_GROUP]
        [DROP_ROLE DROP_USER DROP_GROUP]
        [OBJECT_ROLE]
    Routine "routine" [] [ALTER_ROUTINE] [DROP_ROUTINE]
        [OBJECT_ROUTINE PRIVILEGE_ROUTINE PRIVILEGE_ALL_ROUTINES_IN_SCHEMA]
    Rule "rule" [CREATE_RULE] [ALTER_RULE] [DROP_RULE] [OBJECT_RULE]
    Schema "schema" [CREATE_SCHEMA] [ALTER_SCHEMA] [DROP_SCHEMA] [OBJECT_SCHEMA PRIVILEGE_SCHEMA]
    Sequence "sequence" [CREATE_SEQUENCE] [ALTER_SEQUENCE] [DROP_SEQUENCE]
        [OBJECT_SEQUENCE PRIVILEGE_SEQUENCE PRIVILEGE_ALL_SEQUENCES_IN_SCHEMA]
    Server "server" [CREATE_SERVER] [ALTER_SERVER] [DROP_SERVER] [OBJECT_SERVER PRIVILEGE_FOREIGN_SERVER]
    Statistics "statistics" [CREATE_STATISTICS] [ALTER_STATISTICS] [DROP_STATISTICS] [OBJECT_STATISTICS]
    Subscription "subscription" [CREATE_SUBSCRIPTION] [ALTER_SUBSCRIPTION] [DROP_SUBSCRIPTION] [OBJECT_SUBSCRIPTION]
    Table "table" [CREATE_TABLE CREATE_TABLE_AS] [ALTER_TABLE] [DROP_TABLE]
        [OBJECT_TABLE PRIVILEGE_TABLE PRIVILEGE_DEFAULT PRIVILEGE_ALL_TABLES_IN_SCHEMA]
    Tablespace "tablespace" [CREATE_TABLESPACE] [ALTER_TABLESPACE] [DROP_TABLESPACE]
        [OBJECT_TABLESPACE PRIVILEGE_TABLESPACE]
    TextSearchConfiguration "text search configuration" [CREATE_TEXT_SEARCH_CONFIGURATION]
        [ALTER_TEXT_SEARCH_CONFIGURATION] [DROP_TEXT_SEARCH_CONFIG]
        [OBJECT_TEXT_SEARCH_CONFIG]
    TextSearchDictionary "text search dictionary" [CREATE_TEXT_SEARCH_DICTIONARY]
        [ALTER_TEXT_SEARCH_DICTIONARY] [DROP_TEXT_SEARCH_DICT]
        [OBJECT_TEXT_SEARCH_DICT]
    TextSearchParser "text search parser" [CREATE_TEXT_SEARCH_PARSER] [ALTER_TEXT_SEARCH_PARSER]
        [DROP_TEXT_SEARCH_PARSER]
        [OBJECT_TEXT_SEARCH_PARSER]
    TextSearchTemplate "text search template" [CREATE_TEXT_SEARCH_TEMPLATE] [ALTER_TEXT_SEARCH_TEMPLATE]
        [DROP_TEXT_SEARCH_TEMPLATE]
        [OBJECT_TEXT_SEARCH_TEMPLATE]
    Transform "transform" [CREATE_TRANSFORM] [] [DROP_TRANSFORM] [OBJECT_TRANSFORM]
    Trigger "trigger" [CREATE_TRIGGER] [ALTER_TRIGGER] [DROP_TRIGGER] [OBJECT_TRIGGER]
    Type "type" [CREATE_TYPE] [ALTER_TYPE] [DROP_TYPE] [OBJECT_TYPE PRIVILEGE_TYPE]
    UserMapping "user mapping" [CREATE_USER_MAPPING] [ALTER_USER_MAPPING] [DROP_USER_MAPPING] []
    View "view" [CREATE_VIEW] [ALTER_VIEW] [DROP_VIEW] [OBJECT_VIEW]
}
