//! Expressions inside statements, as text with the functions they call. Must not compute anything.

use std::ops::Range;

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::name::Name;

/// An expression of a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// As it is written, comments and all white space as single spaces.
    pub text: String,
    /// Its bytes in the script.
    pub span: Range<usize>,
    /// The functions it calls, in order; operators and casts call some too, which are not here.
    pub calls: Vec<Name>,
}

/// Where a statement's tree came from.
pub(super) struct Source {
    /// Where the statement begins in the script.
    pub(super) offset: usize,
}

impl Source {
    pub(super) fn expression(&self, node: &SyntaxNode) -> Expression {
        Expression { text: self.flat(node), span: self.span(node), calls: calls(node) }
    }

    /// The bytes of a node in the script, without white space around it.
    pub(super) fn span(&self, node: &SyntaxNode) -> Range<usize> {
        let range = node.text_range();
        self.offset + usize::from(range.start())..self.offset + usize::from(range.end())
    }

    /// The text of a node with comments and white space as single spaces.
    pub(super) fn flat(&self, node: &SyntaxNode) -> String {
        let (mut flat, mut space) = (String::new(), false);
        for token in node.descendants_with_tokens().filter_map(|element| element.into_token()) {
            if token.kind().is_trivia() {
                space = !flat.is_empty();
                continue;
            }
            if std::mem::take(&mut space) {
                flat.push(' ');
            }
            flat.push_str(token.text());
        }
        flat
    }
}

/// The functions that are called in a node, those of its subqueries too.
pub(super) fn calls(node: &SyntaxNode) -> Vec<Name> {
    let calls = node.descendants().filter(|node| node.kind() == SyntaxKind::CALL_EXPR);
    calls.filter_map(|call| called(&ast::CallExpr::cast(call)?)).collect()
}

/// The name of the function that a call calls; SQL's own forms, such as `extract(… from …)`, by their keyword. ANY,
/// ALL, SOME and EXISTS call none.
pub(super) fn called(call: &ast::CallExpr) -> Option<Name> {
    if call.any_fn().is_some() || call.all_fn().is_some() || call.some_fn().is_some() || call.exists_fn().is_some() {
        return None;
    }
    match call.expr() {
        Some(ast::Expr::NameRef(name)) => Name::read(name.syntax()),
        Some(ast::Expr::FieldExpr(field)) => {
            let names = field.syntax().descendants().filter(|node| node.kind() == SyntaxKind::NAME_REF);
            let mut parts: Vec<String> = names.map(|name| super::name::text(&name)).collect();
            let name = parts.pop()?;
            Some(Name { schema: parts.pop(), name })
        }
        Some(_) => None,
        None => {
            let keyword = call.syntax().first_token()?;
            Some(Name::bare(&keyword.text().to_ascii_lowercase()))
        }
    }
}
