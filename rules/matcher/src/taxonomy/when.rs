//! Which logsources a row speaks of.

use rules_sigma::Logsource;

/// The three names of a logsource; empty where it has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'l> {
    pub(super) category: &'l str,
    pub(super) product: &'l str,
    pub(super) service: &'l str,
}

impl<'l> Names<'l> {
    pub(super) fn of(logsource: &'l Logsource) -> Self {
        let name = |name: &'l Option<String>| name.as_deref().unwrap_or_default();
        Self {
            category: name(&logsource.category),
            product: name(&logsource.product),
            service: name(&logsource.service),
        }
    }
}

/// A condition on a logsource. An empty list allows anything; `""` allows that there is none.
#[derive(Debug)]
pub(super) struct When {
    pub(super) categories: &'static [&'static str],
    pub(super) products: &'static [&'static str],
    pub(super) services: &'static [&'static str],
}

impl When {
    /// Any logsource.
    pub(super) const ALWAYS: Self = Self { categories: &[], products: &[], services: &[] };

    /// Logsources of one product.
    pub(super) const fn product(products: &'static [&'static str]) -> Self {
        Self { products, ..Self::ALWAYS }
    }

    /// Logsources of one category, whatever the product.
    pub(super) const fn category(categories: &'static [&'static str]) -> Self {
        Self { categories, ..Self::ALWAYS }
    }

    /// Logsources of one service of a product.
    pub(super) const fn service(
        products: &'static [&'static str],
        services: &'static [&'static str],
    ) -> Self {
        Self { products, services, ..Self::ALWAYS }
    }

    /// Logsources of one category of a product.
    pub(super) const fn kind(
        categories: &'static [&'static str],
        products: &'static [&'static str],
    ) -> Self {
        Self { categories, products, ..Self::ALWAYS }
    }

    pub(super) fn fits(&self, names: &Names<'_>) -> bool {
        let fits = |allowed: &[&str], name: &str| allowed.is_empty() || allowed.contains(&name);
        fits(self.products, names.product)
            && fits(self.categories, names.category)
            && fits(self.services, names.service)
    }
}
